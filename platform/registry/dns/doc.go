// Package dns answers DNS (RFC 1035) from a registry: the dialect for programs that know
// no other way to find a service. [Server] serves UDP and TCP.
//
// In the zone "muster." there are, of the instances that are ready:
//
//	cart.muster.              A, AAAA  their addresses
//	_http._tcp.cart.muster.   SRV      host and port of each one's "http" endpoint (RFC 2782), its weight as weight
//	_grpc._tcp.cart.muster.   SRV      likewise, and so for every name of an endpoint
//	7f000001.cart.muster.     A        the target of such a SRV: its address in hexadecimal, 8 digits or 32
//
// An instance that registered by a host name is found by SRV only, with that name as
// target; "localhost" counts as 127.0.0.1 and ::1. A service that was never seen does not
// exist (NXDOMAIN); one that has no ready instance exists and has no addresses. All other
// names are refused: this is no resolver for the rest of the world.
//
// Answers may be kept for one second. Against the watch of package discovery DNS is
// second best: it tells nothing of draining, and of a change a second late.
package dns
