package cache

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Cache holds values of T by key. It is safe for concurrent use, and has no goroutines
// but those of loads.
type Cache[T any] struct {
	cfg Config[T]

	mu        sync.RWMutex
	store     store[T]
	flights   map[string]*flight[T] // who asks joins them
	refreshes map[string]*flight[T] // of what Shared has still

	counts counts
	away   atomic.Int64 // Shared failed: it is not asked before this time, in Unix nanoseconds
}

// New returns an empty cache, or what is wrong with its configuration.
func New[T any](cfg Config[T]) (*Cache[T], error) {
	cfg, err := cfg.validated()
	if err != nil {
		return nil, err
	}
	if cfg.random == nil {
		cfg.random = rand.Float64
	}
	return &Cache[T]{
		cfg:       cfg,
		store:     store[T]{entries: map[string]*entry[T]{}, most: cfg.Entries, mostBytes: cfg.Bytes},
		flights:   map[string]*flight[T]{},
		refreshes: map[string]*flight[T]{},
	}, nil
}

// Item is the answer to a look-up.
type Item[T any] struct {
	Value T
	Found bool      // false: there is no such key, and Value is T's zero
	Stale bool      // it is older than TTL, since loading it anew failed
	At    time.Time // when it came into this process
}

// Get returns the value of a key, and false for one that does not exist. Values are
// shared by all who ask: they must not be changed. The error is Load's, or that of ctx.
func (c *Cache[T]) Get(ctx context.Context, key string) (T, bool, error) {
	item, err := c.Look(ctx, key)
	return item.Value, item.Found, err
}

// Look is Get for who wants to know more: an answer may have to be marked as stale.
func (c *Cache[T]) Look(ctx context.Context, key string) (Item[T], error) {
	c.mu.RLock()
	e := c.store.get(key)
	c.mu.RUnlock()
	if item, ok := c.answer(ctx, e); ok {
		return item, nil
	}
	items, err := c.wait(ctx, c.join(ctx, []string{key}))
	if err != nil {
		return Item[T]{}, err
	}
	return items[0], nil
}

// GetMany returns the values of keys; those that do not exist are missing. What is not
// held is loaded together. It fails when one of them can be neither loaded nor served.
func (c *Cache[T]) GetMany(ctx context.Context, keys []string) (map[string]T, error) {
	values := make(map[string]T, len(keys))
	var missing []string
	c.mu.RLock()
	held := make([]*entry[T], len(keys))
	for i, key := range keys {
		held[i] = c.store.get(key)
	}
	c.mu.RUnlock()
	for i, key := range keys {
		if item, ok := c.answer(ctx, held[i]); !ok {
			missing = append(missing, key)
		} else if item.Found {
			values[key] = item.Value
		}
	}
	if len(missing) == 0 {
		return values, nil
	}
	items, err := c.wait(ctx, c.join(ctx, missing))
	if err != nil {
		return nil, err
	}
	for i, item := range items {
		if item.Found {
			values[missing[i]] = item.Value
		}
	}
	return values, nil
}

// answer makes an answer of an entry, which may be nil, where it can be given without
// waiting. One that is about to expire is loaded anew meanwhile.
func (c *Cache[T]) answer(ctx context.Context, e *entry[T]) (Item[T], bool) {
	if e == nil {
		return Item[T]{}, false
	}
	now := time.Now()
	switch {
	case e.fresh(now):
		c.counts.hits.Add(1)
		if !now.Before(e.again) && early(e.until.Sub(now), e.cost, c.cfg.Early, c.cfg.random) {
			c.refresh(ctx, e.key)
		}
		return Item[T]{Value: e.value, Found: e.found, At: e.at}, true
	case e.held(now):
		c.counts.stale.Add(1)
		return Item[T]{Value: e.value, Found: e.found, At: e.at, Stale: true}, true
	default:
		return Item[T]{}, false
	}
}

// Drop forgets keys: here, in Shared, and in the loads that are on their way, which
// answer who waits for them and are not kept. A look-up that begins after Drop returned
// gets what was loaded after Drop began. An error means that Shared may still hold them:
// drop them again.
func (c *Cache[T]) Drop(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	var err error
	if c.cfg.Shared != nil {
		// Shared goes first: what is fetched from it before that is not kept here after.
		err = c.forget(ctx, keys)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		c.store.remove(c.store.entries[key])
		delete(c.flights, key)
		delete(c.refreshes, key)
	}
	return err
}

// Clear forgets all that is held here, not what is in Shared.
func (c *Cache[T]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	evicted := c.store.evicted
	c.store = store[T]{entries: map[string]*entry[T]{}, most: c.cfg.Entries, mostBytes: c.cfg.Bytes, evicted: evicted}
	clear(c.flights)
	clear(c.refreshes)
}
