package cache

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// sharedPatience bounds one round trip to Shared: a cache that is slower than what it
	// spares is none.
	sharedPatience = 250 * time.Millisecond
	// holdOff is how long nothing is asked of a Shared, or of a Load with a stale value to
	// serve in its stead, that just failed.
	holdOff = time.Second
)

// fetch brings the flights of a course home.
func (c *Cache[T]) fetch(co *course[T]) {
	defer func() { c.land(co, recover()) }()
	if c.cfg.Shared == nil || time.Now().UnixNano() < c.away.Load() {
		c.load(co, co.flights)
		return
	}
	var loads sync.WaitGroup
	defer loads.Wait()
	began := time.Now()
	for pause, todo := 2*time.Millisecond, co.flights; len(todo) > 0; pause = min(2*pause, 50*time.Millisecond) {
		load, wait, ok := c.ask(co, todo, began)
		if !ok || time.Since(began) >= c.cfg.Timeout/2 {
			load, wait = append(load, wait...), nil
		}
		switch {
		case len(load) > 0 && len(wait) == 0:
			c.load(co, load)
		case len(load) > 0:
			loads.Go(func() {
				defer func() {
					if p := recover(); p != nil {
						c.land(co, p)
					}
				}()
				c.load(co, load)
			})
		}
		if todo = wait; len(todo) == 0 {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-co.ctx.Done(): // Load says so
			timer.Stop()
			c.load(co, todo)
			return
		}
	}
}

// ask looks flights up in Shared. Those it has arrive; of the rest it says which are to
// be loaded, for we have the lease, and which are being loaded by somebody else. False:
// Shared cannot be asked.
func (c *Cache[T]) ask(co *course[T], flights []*flight[T], began time.Time) (load, wait []*flight[T], ok bool) {
	keys := make([]string, len(flights))
	for i, f := range flights {
		keys[i] = c.sharedKey(f.key)
	}
	ctx, cancel := context.WithTimeout(co.ctx, sharedPatience)
	defer cancel()
	held, err := c.cfg.Shared.Get(ctx, keys)
	if c.failed(co.ctx, err) {
		return flights, nil, false
	}
	var absent []*flight[T]
	var changes []Change
	ttl := max(c.cfg.Timeout/3, time.Millisecond)
	for i, f := range flights {
		raw := held[keys[i]] // nil where nothing is held
		switch has, ours := parseFrame(raw); {
		case ours && has.kind == kindLease:
			wait = append(wait, f)
		case ours && c.take(co, f, has, raw, time.Since(began)):
		default: // nothing, or what expired or cannot be read: the lease takes its place
			f.lease = newLease()
			absent = append(absent, f)
			changes = append(changes, Change{Key: keys[i], Old: raw, New: f.lease, TTL: ttl})
		}
	}
	if len(absent) == 0 {
		return load, wait, true
	}
	won, err := c.cfg.Shared.Set(ctx, changes)
	failed := c.failed(co.ctx, err)
	for i, f := range absent {
		if failed || i < len(won) && won[i] {
			f.leased = true // perhaps, if it failed
			load = append(load, f)
		} else {
			f.lease = nil
			wait = append(wait, f)
		}
	}
	return load, wait, !failed
}

// take has a flight arrive with what Shared has; false: that is too old, or cannot be
// read.
func (c *Cache[T]) take(co *course[T], f *flight[T], has frame, raw []byte, cost time.Duration) bool {
	now := time.Now()
	left := has.until.Sub(now) // by the clock of another machine: NTP's error must be small beside TTL
	if left <= 0 {
		return false
	}
	e := &entry[T]{key: f.key, at: now, cost: cost, until: now.Add(min(c.cfg.Near, left))}
	if has.kind == kindValue {
		value, err := c.cfg.Decode(has.data)
		if err != nil {
			c.counts.sharedErrors.Add(1)
			return false
		}
		e.value, e.found = value, true
		e.stale = e.until.Add(c.cfg.Stale)
	}
	c.counts.sharedHits.Add(1)
	c.arrive(f, Item[T]{Value: e.value, Found: e.found, At: now}, c.sized(e), nil)
	if early(left, has.cost, c.cfg.Early, c.cfg.random) {
		c.refreshShared(co.ctx, f.key, has, raw)
	}
	return true
}

// load fetches flights from where values come from, and stores them in Shared where we
// have the lease.
func (c *Cache[T]) load(co *course[T], flights []*flight[T]) {
	keys := make([]string, len(flights))
	for i, f := range flights {
		keys[i] = f.key
	}
	c.counts.loads.Add(1)
	c.counts.loaded.Add(uint64(len(keys)))
	began := time.Now()
	loaded := false
	defer func() {
		if !loaded { // or it panicked
			c.release(co.ctx, slices.DeleteFunc(slices.Clone(flights), func(f *flight[T]) bool { return !f.leased }))
		}
	}()
	values, err := c.cfg.Load(co.ctx, keys)
	now := time.Now()
	if err != nil {
		c.counts.errors.Add(1)
		for _, f := range flights {
			c.fallBack(f, err, now)
		}
		return
	}
	cost := now.Sub(began)
	until := now.Add(c.life())
	for _, f := range flights {
		value, found := values[f.key]
		e := &entry[T]{key: f.key, value: value, found: found, at: now, cost: cost, until: until}
		switch {
		case !found:
			e.until = now.Add(c.cfg.Negative)
		case c.cfg.Shared != nil:
			e.until, e.cost = now.Add(min(c.cfg.Near, until.Sub(now))), 0 // Shared has it next time
			e.stale = e.until.Add(c.cfg.Stale)
		default:
			e.stale = e.until.Add(c.cfg.Stale)
		}
		c.arrive(f, Item[T]{Value: value, Found: found, At: now}, c.sized(e), nil)
	}
	loaded = true
	c.fill(co.ctx, flights, values, frame{kind: kindValue, until: until, cost: cost}, now)
}

// life returns how long a value lives: TTL, less a random part of it.
func (c *Cache[T]) life() time.Duration {
	return time.Duration(float64(c.cfg.TTL) * (1 - c.cfg.Jitter*c.cfg.random()))
}

// sized returns an entry with its size, nil for one that is not to be held.
func (c *Cache[T]) sized(e *entry[T]) *entry[T] {
	if !e.until.After(e.at) {
		return nil
	}
	e.size = int64(len(e.key) + entryBytes)
	if e.found {
		e.size += int64(c.cfg.Size(e.value))
	}
	return e
}

// fallBack has a flight that could not be loaded arrive: with the stale value, if one
// is held, and else with the error.
func (c *Cache[T]) fallBack(f *flight[T], err error, now time.Time) {
	c.mu.RLock()
	e := c.store.entries[f.key]
	c.mu.RUnlock()
	if e == nil || !e.found || !now.Before(e.stale) {
		c.arrive(f, Item[T]{}, nil, err)
		return
	}
	again := &entry[T]{
		key: e.key, value: e.value, found: true, at: e.at, until: e.until, stale: e.stale, cost: e.cost, size: e.size,
		again: now.Add(holdOff),
	}
	c.arrive(f, Item[T]{Value: e.value, Found: true, At: e.at, Stale: !e.fresh(now)}, again, nil)
}
