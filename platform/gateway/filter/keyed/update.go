package keyed

import (
	"context"
	"time"

	"github.com/musterdev/muster/cache"
)

// tries is how often a value is changed anew that another process has changed meanwhile.
const tries = 4

// Update changes what a store holds of keys, which differ. decide is told what is held of
// the i-th, nil for nothing, and returns what to hold, and for how long; nil leaves it as it
// is. It is asked again, four times at most, where others have changed the same meanwhile:
// its last answer counts. done says of each key whether that was carried out; after an error
// it is not known of any.
func Update(ctx context.Context, store cache.Shared, keys []string, decide func(i int, held []byte) (value []byte, ttl time.Duration)) (done []bool, err error) {
	done = make([]bool, len(keys))
	var open []int
	for i := range keys {
		open = append(open, i)
	}
	asked := keys
	for try := 0; len(open) > 0 && try < tries; try++ {
		held, err := store.Get(ctx, asked)
		if err != nil {
			return nil, err
		}
		var changes []cache.Change
		var changed []int
		for _, i := range open {
			old := held[keys[i]]
			value, ttl := decide(i, old)
			if value == nil {
				done[i] = true
				continue
			}
			changes = append(changes, cache.Change{Key: keys[i], Old: old, New: value, TTL: max(ttl, time.Millisecond)})
			changed = append(changed, i)
		}
		if len(changes) == 0 {
			break
		}
		set, err := store.Set(ctx, changes)
		if err != nil {
			return nil, err
		}
		open, asked = open[:0], nil
		for n, i := range changed {
			if done[i] = set[n]; !done[i] {
				open, asked = append(open, i), append(asked, keys[i])
			}
		}
	}
	return done, nil
}
