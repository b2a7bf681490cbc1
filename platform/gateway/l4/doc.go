// Package l4 passes TCP connections to services, whatever is spoken on them: a listener,
// and behind it the instances of a service that offer the endpoint "tcp", or any other.
// The one with the fewest connections gets the next; one that cannot be reached is passed
// over for another.
//
// Several services share a listener where their clients speak TLS: the name a client asks
// for (SNI, RFC 6066, 3) decides. It is read from the first message, which is passed on
// like all that follows; nothing is decrypted, and no certificate is needed here.
//
// A Proxy is what one listener does; Ports are listeners that come and go by order while
// connections stay.
//
// A connection ends as the two ends would end it between themselves: each may say that it
// has no more to send and still hear the other (half-close), and a reset on one side is a
// reset on the other.
package l4
