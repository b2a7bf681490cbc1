package main

import (
	"context"
	"sync"
	"time"
)

// measured is what one round of a load came to.
type measured struct {
	done int
	took time.Duration
	cpu  time.Duration // of this process, and of the server where there is one
}

func (m measured) rate() float64 { return float64(m.done) / m.took.Seconds() }

// micros is the CPU of one unit of work, in microseconds.
func (m measured) micros() float64 { return float64(m.cpu.Microseconds()) / float64(max(1, m.done)) }

// repeat lets so many workers do a unit of work over and over for a round. server
// returns the CPU that others used for it; nil: none.
func repeat(ctx context.Context, workers int, server func() time.Duration, do func(ctx context.Context, worker, i int) (units int, err error)) (measured, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if server == nil {
		server = func() time.Duration { return 0 }
	}
	before, began := server()+ownCPU(), time.Now() // in this order: reading the server's costs some
	counts := make([]int, workers)
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() {
			for i := 0; ctx.Err() == nil && time.Since(began) < roundLength; i++ {
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
	m := measured{took: time.Since(began), cpu: ownCPU() + server() - before}
	for _, n := range counts {
		m.done += n
	}
	return m, context.Cause(ctx)
}
