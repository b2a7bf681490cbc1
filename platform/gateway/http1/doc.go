// Package http1 is the edge's own engine for HTTP/1.1: one goroutine a client's connection,
// which reads a request, has it served and writes the answer, inline. It holds what concerns
// connections and messages, and decides nothing about where a request goes: that is its
// [Session]'s work, with package upstream for the instances' side.
//
// It is strict (package grammar) and mends nothing: what two programs could read differently
// is refused and the connection closed. What it does not serve (HTTP/2, upgrades, CONNECT) is
// handed over to another engine, with the bytes that were read.
//
// No request has a timer. One goroutine, the sweep, looks at all connections some fifty times a
// second: who stalls is cut off, and who waits for an answer is asked whether its client is
// still there. A connection says by one word what it does and until when.
package http1
