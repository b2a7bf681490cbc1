// Package registry keeps the leases of a fleet's instances and tells who asks about
// every change, over plain HTTP and JSON that any language speaks. [Store] is the
// pure state machine, [Registry] the server around it; the wire types and the client
// are in package discovery.
//
// An instance that is silent for a lease is gone; when many are silent together, each is
// asked first, for it may be their beats that are lost. Membership is kept in a file, so
// that a registry that restarts knows who was there: each gets one fresh lease to
// speak. What a registry says is forgotten by no client while it is away.
package registry
