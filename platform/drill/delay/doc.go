// Package delay is the drill network-delay: what caching, batching, pooling, compression,
// events and placement each win when the way between two services is long and narrow.
//
// A service front makes pages of what a service back answers, in one way after another.
// Between both stands package fault's proxy, which the registry hands out: it delays each
// direction, bounds the bytes a second of each connection, and holds a new connection up
// for the round trip that its handshake would take. Visitors of all ways come mixed, in
// one run, so that each way meets the same machine.
package delay
