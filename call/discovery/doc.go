// Package discovery tells where the instances of a service are. A [Resolver] gives
// a living [View] of each service: [Client] follows a registry over HTTP, [Static]
// never changes. A [Lease] makes an instance known for as long as it is renewed.
//
// A call reads a View and never waits for the network. When the registry is away
// the last known list goes on to be used, from memory and, after a restart, from
// disk. That a service has no instances is believed only of a registry that has seen
// the service: one that lost its memory does not know, which is not the same.
//
// The wire types here are the protocol itself; the registry's server uses them too.
package discovery
