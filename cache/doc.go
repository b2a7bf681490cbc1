// Package cache answers look-ups from memory, and from a cache that processes share,
// without the ways in which caches fail under load.
//
// A [Cache] loads what it does not have. Look-ups of one key that come at the same time
// make one load (coalescing), and a caller that leaves does not end it for the others.
// An entry that is used is loaded anew a little before it expires, by chance and
// earlier the longer a load takes, while everybody is served the old value (XFetch:
// Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention",
// VLDB 2015). Lives differ by chance, so that what was loaded together does not expire
// together. While loads fail, what is held may be served for a bounded while longer.
// Memory is bounded by entries and by bytes; what goes first is what nobody asked for
// again (SIEVE: Zhang et al., NSDI 2024), so a scan does not empty it.
//
// # Two levels
//
// With a [Shared] cache behind it (drivers/redis, drivers/memcached) a miss is looked
// up there first, and of all processes that miss one loads: it holds a lease, a short
// lived token in the place of the value, and the others wait for what it stores. Only
// the holder may store, and a Drop takes its lease away, so that a value which was read
// before a change is never stored after it. A holder that dies is followed by another
// after a third of Timeout (leases: Nishtala et al., "Scaling Memcache
// at Facebook", NSDI 2013). A shared cache that is away costs a bounded wait, once in a
// second, and not the answer.
//
// # Change
//
// [Cache.Drop] forgets keys here and in the shared cache; [OnEvent] does it on events
// of the bus. The replicas of a service share its events: one of them gets each, drops
// its copy and the shared one, and the copies in the memory of the others live for
// [Config].Near at most (1 s), which bounds how late they follow. Where that is too late
// each replica needs each event: give it a bus.Consumer with a group of its own.
//
// [Batch] has no memory: it makes one load out of look-ups that come together.
package cache
