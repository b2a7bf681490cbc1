// Package grammar reads HTTP/1.1 as RFC 9112 writes it, and nothing that two programs are
// known to read differently: request heads, answer heads, chunked bodies. It works in place
// on the bytes that a connection has read, allocates nothing once its values are warm, and
// does no input or output. What it refuses it says by a [Fault]; nothing is mended.
//
// It is not for HTTP/2, and it decides nothing about what a request asks for: paths, hosts
// and fields are those of the wire, checked for their form.
package grammar
