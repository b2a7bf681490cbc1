package saga

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// Between two sweeps: the most, and the least where Keep is short.
const (
	maxSweep = 10 * time.Minute
	minSweep = time.Second
)

// sweep deletes old sagas now and then, until ctx ends.
func (r *run) sweep(ctx context.Context) {
	if r.keepFor < 0 {
		return
	}
	var names []string
	for _, v := range r.known {
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	every := min(max(r.keepFor, minSweep), maxSweep)
	timer := time.NewTimer(rand.N(every)) // replicas begin together, and are not to sweep together
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		switch n, err := r.table.Sweep(ctx, r.keepFor, names...); {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.log.WarnContext(ctx, "saga: sagas that ended long ago could not be deleted; it is tried again", "error", err, "deleted", n)
		case n > 0:
			r.log.InfoContext(ctx, "saga: sagas that ended long ago were deleted", "deleted", n, "older_than", r.keepFor)
		}
		timer.Reset(every/2 + rand.N(every))
	}
}
