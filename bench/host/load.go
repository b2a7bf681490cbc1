// Package host measures what runs on this machine: loads, processes, and the demo.
package host

import (
	"context"
	"sync"
	"time"
)

// RoundLength is how long one load of a round lasts.
const RoundLength = 4 * time.Second

// Measured is what one round of a load came to.
type Measured struct {
	Done int
	Took time.Duration
	CPU  time.Duration // of this process, and of the server where there is one
}

// Rate is units of work a second.
func (m Measured) Rate() float64 { return float64(m.Done) / m.Took.Seconds() }

// Micros is the CPU of one unit of work, in microseconds.
func (m Measured) Micros() float64 { return float64(m.CPU.Microseconds()) / float64(max(1, m.Done)) }

// Repeat lets so many workers do a unit of work over and over for a round. server
// returns the CPU that others used for it; nil: none.
func Repeat(ctx context.Context, workers int, server func() time.Duration, do func(ctx context.Context, worker, i int) (units int, err error)) (Measured, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if server == nil {
		server = func() time.Duration { return 0 }
	}
	before, began := server()+OwnCPU(), time.Now() // in this order: reading the server's costs some
	counts := make([]int, workers)
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() {
			for i := 0; ctx.Err() == nil && time.Since(began) < RoundLength; i++ {
				n, err := do(ctx, w, i)
				if err != nil {
					cancel(err)
					return
				}
				counts[w] += n
			}
		})
	}
	working.Wait()
	m := Measured{Took: time.Since(began), CPU: OwnCPU() + server() - before}
	for _, n := range counts {
		m.Done += n
	}
	return m, context.Cause(ctx)
}
