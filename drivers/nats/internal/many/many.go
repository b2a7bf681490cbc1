// Package many does the same for all of a list.
package many

import (
	"context"
	"sync"
)

// atOnce is how many requests to the server's API are under way at a time.
const atOnce = 16

// Each does something for all of a list, several at a time, and returns the first error.
func Each[T any](ctx context.Context, list []T, do func(ctx context.Context, one T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	places := make(chan struct{}, atOnce)
	var work sync.WaitGroup
	for _, one := range list {
		places <- struct{}{}
		work.Go(func() {
			defer func() { <-places }()
			if err := ctx.Err(); err == nil {
				if err = do(ctx, one); err != nil {
					cancel(err)
				}
			}
		})
	}
	work.Wait()
	return context.Cause(ctx)
}
