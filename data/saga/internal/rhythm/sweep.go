// Package rhythm is when an engine does what nobody asks it for: looks for work, and deletes what is old.
package rhythm

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// Between two sweeps: the most, and the least where Keep is short.
const (
	maxSweep = 10 * time.Minute
	minSweep = time.Second
)

// Sweep deletes sagas of these definitions that ended longer ago than keep, now and then, until ctx ends.
func Sweep(ctx context.Context, t *table.Table, log *slog.Logger, keep time.Duration, known []table.Version) {
	if keep < 0 {
		return
	}
	var names []string
	for _, v := range known {
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	every := min(max(keep, minSweep), maxSweep)
	timer := time.NewTimer(rand.N(every)) // replicas begin together, and are not to sweep together
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		switch n, err := t.Sweep(ctx, keep, names...); {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.WarnContext(ctx, "saga: sagas that ended long ago could not be deleted; it is tried again", "error", err, "deleted", n)
		case n > 0:
			log.InfoContext(ctx, "saga: sagas that ended long ago were deleted", "deleted", n, "older_than", keep)
		}
		timer.Reset(every/2 + rand.N(every))
	}
}
