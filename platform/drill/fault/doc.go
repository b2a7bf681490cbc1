// Package fault breaks what lies between programs, on purpose and without root: a [Proxy]
// on a connection's way adds latency, loses bytes, resets and stalls; [Edges] puts such
// proxies between chosen callers and instances, by the addresses a registry hands out.
// Package machine beside it breaks the programs themselves.
//
// Every fault ends with a [Proof]: its removal returns when something was seen to pass
// clean, not when it was ordered. What this machine does not permit is an error that
// [NotRun] describes, never a fault that quietly did nothing.
//
// A fleet meets the faults of its ways when its registry stands behind [Registry]: a
// program that runs control gives that as control.Config's Before, one that starts a fleet
// on this machine as local.Config's.
//
//	edges := fault.NewEdges(1, nil)
//	up, err := local.Start(ctx, local.Config{
//		Fleet: f, Single: true,
//		Before: func(registry http.Handler) http.Handler { return fault.Registry(registry, edges) },
//	})
//	err = edges.Set(fault.Edge{From: "cart", To: "stock"}, fault.Toxics{Blackhole: true})
//
// The edge asks the registry as "edge". Where no edge is set, nothing is between anybody.
//
// The kinds of connection faults are those of Shopify's toxiproxy, applied to edges of a
// registry. What a TCP proxy cannot show is left out: it loses no single packets. It accepts
// at once, so that latency begins after the handshake, whose time Toxics.Handshake adds.
package fault
