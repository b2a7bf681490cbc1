package cache

import (
	"context"
	"time"

	"github.com/musterdev/muster/problem"
)

// flight is a key on its way. Only one that stands in its map may put what it brings
// into the store: Drop and those who leave take it out.
type flight[T any] struct {
	key    string
	in     map[string]*flight[T] // Cache.flights or Cache.refreshes
	course *course[T]
	lease  []byte // what stands in Shared in the place of what it brings; nil: nothing
	leased bool   // lease is a token of our own, to be taken back if nothing comes
	done   chan struct{}
	item   Item[T]
	err    error
}

// course is one fetch, of one or more flights. It ends with its last waiter.
type course[T any] struct {
	ctx     context.Context //nolint:containedctx // of the goroutine that fetches
	cancel  context.CancelFunc
	waiters int  // guarded by Cache.mu, one for each flight somebody waits for
	ahead   bool // nobody waits, and it is made all the same
	flights []*flight[T]
}

// join returns a flight for each key that is not held by now, in their order; for one
// that is a flight which has arrived.
func (c *Cache[T]) join(ctx context.Context, keys []string) []*flight[T] {
	var mine *course[T]
	flights := make([]*flight[T], len(keys))
	now := time.Now()
	c.mu.Lock()
	for i, key := range keys {
		f := c.flights[key]
		e := c.store.get(key)
		switch {
		case e != nil && e.fresh(now): // it came while we had no lock
			c.counts.hits.Add(1)
			f = &flight[T]{key: key, done: arrived(), item: Item[T]{Value: e.value, Found: e.found, At: e.at}}
		case f == nil:
			c.counts.misses.Add(1)
			if mine == nil {
				mine = c.newCourse(ctx)
			}
			f = c.launch(mine, c.flights, key)
		default:
			c.counts.coalesced.Add(1)
		}
		if f.course != nil {
			f.course.waiters++
		}
		flights[i] = f
	}
	c.mu.Unlock()
	if mine != nil {
		go c.fetch(mine)
	}
	return flights
}

// refresh fetches a key anew while others are served what is held.
func (c *Cache[T]) refresh(ctx context.Context, key string) {
	if co := c.ahead(ctx, c.flights, key); co != nil {
		c.counts.early.Add(1)
		go c.fetch(co)
	}
}

// refreshShared loads a key anew that Shared has, as raw, while others are served that.
// Nobody joins it: what Shared has is there at once.
func (c *Cache[T]) refreshShared(ctx context.Context, key string, has frame, raw []byte) {
	co := c.ahead(ctx, c.refreshes, key)
	if co == nil {
		return
	}
	f := co.flights[0]
	go func() {
		defer func() { c.land(co, recover()) }()
		if c.claim(co.ctx, f, has, raw) {
			c.load(co, co.flights)
		}
	}()
}

// ahead returns a course that nobody waits for, nil where there is one in the map.
func (c *Cache[T]) ahead(ctx context.Context, in map[string]*flight[T], key string) *course[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if in[key] != nil {
		return nil
	}
	co := c.newCourse(ctx)
	co.ahead = true
	c.launch(co, in, key)
	return co
}

func (c *Cache[T]) newCourse(ctx context.Context) *course[T] {
	co := &course[T]{}
	co.ctx, co.cancel = context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout) //nolint:gosec // land calls it, at the latest
	return co
}

func (c *Cache[T]) launch(co *course[T], in map[string]*flight[T], key string) *flight[T] {
	f := &flight[T]{key: key, in: in, course: co, done: make(chan struct{})}
	co.flights = append(co.flights, f)
	in[key] = f
	return f
}

// wait returns what flights bring, in their order. Who leaves early ends a course that
// nobody else waits for.
func (c *Cache[T]) wait(ctx context.Context, flights []*flight[T]) ([]Item[T], error) {
	defer c.leave(flights)
	items := make([]Item[T], len(flights))
	for i, f := range flights {
		select {
		case <-f.done:
		default:
			select {
			case <-f.done:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		if f.err != nil {
			return nil, f.err
		}
		if items[i] = f.item; f.item.Stale {
			c.counts.stale.Add(1)
		}
	}
	return items, nil
}

func (c *Cache[T]) leave(flights []*flight[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range flights {
		co := f.course
		if co == nil {
			continue
		}
		if co.waiters--; co.waiters > 0 || co.ahead {
			continue
		}
		co.cancel()
		for _, other := range co.flights {
			if other.in[other.key] == other { // the next one to ask must not join what was ended
				delete(other.in, other.key)
			}
		}
	}
}

// arrive gives a flight's waiters what it brought. e, which may be nil, is held from
// now on, unless the key was dropped meanwhile.
func (c *Cache[T]) arrive(f *flight[T], item Item[T], e *entry[T], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.over() {
		return
	}
	if f.in[f.key] == f {
		delete(f.in, f.key)
		if e != nil {
			c.store.put(e)
		}
	}
	f.item, f.err = item, err
	close(f.done)
}

func (f *flight[T]) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// land is the end of a course, however it came: nobody is left waiting.
func (c *Cache[T]) land(co *course[T], panicked any) {
	err := problem.New(problem.Internal, "%s: the load ended without an answer", c)
	if panicked != nil {
		c.counts.errors.Add(1)
		err = problem.Wrap(problem.Recovered(panicked), problem.Internal, "%s: the load panicked", c)
	}
	for _, f := range co.flights {
		c.arrive(f, Item[T]{}, nil, err)
	}
	co.cancel()
}

func arrived() chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}
