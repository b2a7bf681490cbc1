// Package load is what every peer does: a unit of work, over and over, for as long as it is told to.
package load

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Result is what a load came to, as a line of JSON.
type Result struct {
	Done int           `json:"done"`
	Took time.Duration `json:"took"`
	CPU  time.Duration `json:"cpu"` // of this process, user and system
}

// Serve writes "ready", and then, for each line of standard input, which is how long a load lasts,
// the Result of so many workers who do one unit of work after the other. It returns at the
// end of its input, or the first error of a unit.
func Serve(ctx context.Context, workers int, one func(ctx context.Context) error) error {
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		length, err := time.ParseDuration(in.Text())
		if err != nil {
			return err
		}
		r, err := run(ctx, workers, length, one)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, workers int, length time.Duration, one func(ctx context.Context) error) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	counts := make([]int, workers)
	before, began := used(), time.Now()
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() {
			for ctx.Err() == nil && time.Since(began) < length {
				if err := one(ctx); err != nil {
					cancel(err)
					return
				}
				counts[w]++
			}
		})
	}
	working.Wait()
	r := Result{Took: time.Since(began), CPU: used() - before}
	for _, n := range counts {
		r.Done += n
	}
	return r, context.Cause(ctx)
}

func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
