// Package background runs the work that a service does on its own.
package background

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/musterdev/muster/data/idempotency"
)

// Every returns a worker that calls do now and again, with pause between the end of
// one call and the start of the next, until its context ends. A call that fails is
// logged and made again: nothing is lost as long as do finds its work in the database.
func Every(pause time.Duration, log *slog.Logger, name string, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "background work failed and will be repeated", "work", name, "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
		}
	}
}

// Keys is the work of forgetting the idempotency keys of requests that nobody
// repeats any more.
func Keys(db *sql.DB) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := idempotency.Sweep(ctx, db, 0)
		return err
	}
}

// Each calls do for all items at once and returns their errors. Who asks for the
// items bounds how many there are.
func Each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	errs := make([]error, len(items))
	var working sync.WaitGroup
	for i, item := range items {
		working.Go(func() { errs[i] = do(ctx, item) })
	}
	working.Wait()
	return errors.Join(errs...)
}
