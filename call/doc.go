// Package call makes one call to another service: it finds the instances, picks
// one, carries the deadline, the identity and the trace along, and repeats an
// attempt where that is safe. Each policy is written once against [Op]; [Caller]
// runs it; the adapters for HTTP ([Caller.Client], [Caller.RoundTrip]) and gRPC
// ([Caller.Dial]) are thin.
package call
