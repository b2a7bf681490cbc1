package cache

import (
	"context"
	"errors"
	"time"

	"github.com/musterdev/muster/problem"
)

// claim tells other processes that we load anew what Shared has; false: another does. To
// them the value costs nothing from now on, so that none begins before its end; where
// the claim comes to nothing it ends, and is loaded as any other that is missing.
func (c *Cache[T]) claim(ctx context.Context, f *flight[T], has frame, raw []byte) bool {
	left := time.Until(has.until)
	if left <= 0 {
		return false
	}
	has.cost = 0
	claimed := has.bytes()
	ctx, cancel := context.WithTimeout(ctx, sharedPatience)
	defer cancel()
	won, err := c.cfg.Shared.Set(ctx, []Change{{Key: c.sharedKey(f.key), Old: raw, New: claimed, TTL: left}})
	if c.failed(ctx, err) || len(won) == 0 || !won[0] {
		return false
	}
	f.lease = claimed
	c.counts.early.Add(1)
	return true
}

// fill stores what was loaded in Shared, each key where its lease stands still.
func (c *Cache[T]) fill(ctx context.Context, flights []*flight[T], values map[string]T, head frame, now time.Time) {
	var changes []Change
	var unused []*flight[T]
	for _, f := range flights {
		if f.lease == nil {
			continue
		}
		change := Change{Key: c.sharedKey(f.key), Old: f.lease}
		if value, found := values[f.key]; found {
			data, err := c.cfg.Encode(value)
			if err != nil {
				c.counts.sharedErrors.Add(1)
			} else if len(data)+frameHead <= MaxShared {
				change.New = frame{kind: kindValue, until: head.until, cost: head.cost, data: data}.bytes()
				change.TTL = max(head.until.Sub(now), time.Millisecond)
			}
		} else if c.cfg.Negative > 0 {
			change.New = frame{kind: kindNegative, until: now.Add(c.cfg.Negative), cost: head.cost}.bytes()
			change.TTL = max(c.cfg.Negative, time.Millisecond)
		}
		if change.New == nil {
			unused = append(unused, f)
		} else {
			changes = append(changes, change)
		}
	}
	c.release(ctx, unused)
	if len(changes) == 0 {
		return
	}
	// Who asked has the answer, and may have ended the course by leaving.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedPatience)
	defer cancel()
	_, err := c.cfg.Shared.Set(ctx, changes) // one whose lease is gone was dropped: that is what it is for
	c.failed(ctx, err)
}

// release takes the leases of flights back that bring nothing, and forgets what
// Shared holds of a key that does not exist any more.
func (c *Cache[T]) release(ctx context.Context, flights []*flight[T]) {
	var keys []string
	for _, f := range flights {
		if f.lease != nil {
			keys = append(keys, f.key)
		}
	}
	if len(keys) > 0 {
		_ = c.forget(context.WithoutCancel(ctx), keys) // a lease ends by itself, too
	}
}

// forget deletes keys from Shared.
func (c *Cache[T]) forget(ctx context.Context, keys []string) error {
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = c.sharedKey(key)
	}
	if err := c.cfg.Shared.Delete(ctx, full); err != nil {
		c.counts.sharedErrors.Add(1)
		return problem.Wrap(err, problem.Unavailable, "%s: %d keys may still be in the shared cache: %v", c, len(keys), err)
	}
	return nil
}

// failed notes an error of Shared, so that it is left alone for a while; the end of the
// course's own context is none of its.
func (c *Cache[T]) failed(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		c.counts.sharedErrors.Add(1)
		c.away.Store(time.Now().Add(holdOff).UnixNano())
	}
	return true
}

func (c *Cache[T]) sharedKey(key string) string { return c.cfg.Name + ":" + key }
