//go:build unix

package main

import (
	"context"
	"fmt"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
	"github.com/musterdev/muster/bench/outboxes"
)

// benchOutbox measures what an outbox costs writers, and how soon an event is there.
func benchOutbox(messages int) func(context.Context, string, int) (*figures.Result, error) {
	return func(ctx context.Context, _ string, rounds int) (*figures.Result, error) {
		r := &figures.Result{Name: "bench-outbox", Title: "Outboxes on PostgreSQL, by the table and by the log (`make bench-outbox`)", Method: outboxes.Method(host.RoundLength, messages)}
		return r, outboxes.Run(ctx, outboxes.Bench{
			Rounds: rounds, Messages: messages,
			Add: r.Putter(""),
			Load: func(ctx context.Context, server, workers int, do func(context.Context, int, int) (int, error)) (rate, micros float64, err error) {
				m, err := host.Repeat(ctx, workers, host.ServerCPU(server), do)
				if err != nil {
					return 0, 0, fmt.Errorf("the load of writers: %w", err)
				}
				return m.Rate(), m.Micros(), nil
			},
		})
	}
}
