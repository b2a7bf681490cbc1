// Package upstream is the instances' side of the edge's HTTP/1.1 engine: connections that are
// used again, and on each of them a request and its answer, in turns.
//
// A connection is asked whether it is quiet at the moment it is used again: one that has ended,
// or on which an instance says something nobody asked for, is not. That costs no system call
// more, as it takes the place of the read that would find nothing anyhow.
package upstream
