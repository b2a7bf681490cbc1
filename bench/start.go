//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
)

const page = "http://127.0.0.1:8080/v1/products?limit=20"

// start measures how soon the demo serves and how much memory it needs.
func start(ctx context.Context, binary string, rounds int) (*figures.Result, error) {
	r := &figures.Result{
		Name: "bench-start", Title: "Start and memory (`make bench-start`)",
		Method: "`muster demo` from a cold start, eight services, edge, broker and control, one replica each, empty data folder; the page is " +
			"asked for every 5 ms from outside; memory is the sum of PSS over all processes 5 s after all are ready.",
	}
	first := r.Add(&figures.Figure{What: "start to first page through the edge", Unit: "s", Target: "< 2", Holds: func(v float64) bool { return v < 2 }})
	ready := r.Add(&figures.Figure{What: "start to all ready", Unit: "s", Target: "< 4", Holds: func(v float64) bool { return v < 4 }})
	memory := r.Add(&figures.Figure{What: "memory, all processes (PSS)", Unit: "MB", Target: "< 400", Holds: func(v float64) bool { return v < 400 }})
	size := r.Add(&figures.Figure{What: "size of the binary", Unit: "MB", Target: "< 64 (ADR 18)", Holds: func(v float64) bool { return v < 64 }})
	info, err := os.Stat(binary)
	if err != nil {
		return nil, fmt.Errorf("build it first: %w", err)
	}
	size.Values = []float64{float64(info.Size()) / 1e6}
	for range rounds {
		if err := startOnce(ctx, binary, first, ready, memory); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func startOnce(ctx context.Context, binary string, first, ready, memory *figures.Figure) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d, err := host.StartDemo(ctx, binary)
	if err != nil {
		return err
	}
	defer func() { _ = d.Stop() }()
	at := make(chan time.Duration, 1)
	failed := make(chan error, 1)
	go func() {
		t, err := d.WaitPage(ctx, page)
		if err != nil {
			failed <- err
			return
		}
		at <- t
	}()
	all, err := d.WaitLine(ctx, "all ready")
	if err != nil {
		return err
	}
	select {
	case t := <-at:
		first.Put(t.Seconds())
	case err := <-failed:
		return err
	}
	ready.Put(all.Seconds())
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	processes, err := host.Tree(d.PID())
	if err != nil {
		return err
	}
	var sum int64
	for _, p := range processes {
		sum += p.PSS
		fmt.Fprintf(os.Stderr, "%6.1f MB  %s\n", float64(p.PSS)/1e6, p.Args)
	}
	memory.Put(float64(sum) / 1e6)
	return d.Stop()
}
