package cache

import "sync/atomic"

// Stats says what a cache did since it was made, and what it holds.
type Stats struct {
	Hits      uint64 // look-ups answered from memory
	Misses    uint64 // look-ups that began to fetch
	Coalesced uint64 // look-ups that waited for what another had begun
	Stale     uint64 // answers older than TTL, since Load failed

	Loads  uint64 // calls of Load
	Loaded uint64 // keys they asked for
	Errors uint64 // calls of Load that failed
	Early  uint64 // keys fetched anew before their end

	SharedHits   uint64 // keys that Shared had
	SharedErrors uint64 // calls of Shared that failed, and values of it that could not be read

	Evicted uint64 // entries that made room for others
	Entries int    // held now
	Bytes   int64  // of them, estimated; see Config.Bytes
}

type counts struct {
	hits, misses, coalesced, stale, loads, loaded, errors, early, sharedHits, sharedErrors atomic.Uint64
}

// Stats returns what the cache did so far. It is safe for concurrent use.
func (c *Cache[T]) Stats() Stats {
	n := &c.counts
	s := Stats{
		Hits: n.hits.Load(), Misses: n.misses.Load(), Coalesced: n.coalesced.Load(), Stale: n.stale.Load(),
		Loads: n.loads.Load(), Loaded: n.loaded.Load(), Errors: n.errors.Load(), Early: n.early.Load(),
		SharedHits: n.sharedHits.Load(), SharedErrors: n.sharedErrors.Load(),
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	s.Evicted, s.Entries, s.Bytes = c.store.evicted, len(c.store.entries), c.store.bytes
	return s
}
