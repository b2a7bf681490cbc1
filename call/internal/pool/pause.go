package pool

import (
	"context"
	"time"
)

// Pause waits for d, a change or the end of ctx.
func Pause(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
	}
}
