// Package fault breaks what lies between programs, on purpose and without root: a [Proxy]
// on a connection's way adds latency, loses bytes, resets and stalls; [Edges] puts such
// proxies between chosen callers and instances, by the addresses a registry hands out.
// Package machine beside it breaks the programs themselves.
//
// Every fault ends with a [Proof]: its removal returns when something was seen to pass
// clean, not when it was ordered. What this machine does not permit is an error that
// [NotRun] describes, never a fault that quietly did nothing.
//
// The kinds of connection faults are those of Shopify's toxiproxy, applied to edges of a
// registry. What a TCP proxy cannot show is left out: it accepts at once, so latency
// begins after the handshake, and it loses no single packets.
package fault
