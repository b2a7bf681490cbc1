package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const page = "http://127.0.0.1:8080/v1/products?limit=20"

// start measures how soon the demo serves and how much memory it needs.
func start(ctx context.Context, binary string, rounds int) (*result, error) {
	r := &result{
		name: "bench-start", title: "Start and memory (`make bench-start`)",
		method: "`muster demo` from a cold start, eight services, edge, broker and control, one replica each, empty data folder; the page is " +
			"asked for every 5 ms from outside; memory is the sum of PSS over all processes 5 s after all are ready.",
	}
	first := r.add(&figure{what: "start to first page through the edge", unit: "s", target: "< 2", holds: func(v float64) bool { return v < 2 }})
	ready := r.add(&figure{what: "start to all ready", unit: "s", target: "< 4", holds: func(v float64) bool { return v < 4 }})
	memory := r.add(&figure{what: "memory, all processes (PSS)", unit: "MB", target: "< 400", holds: func(v float64) bool { return v < 400 }})
	size := r.add(&figure{what: "size of the binary", unit: "MB", target: "< 64 (ADR 18)", holds: func(v float64) bool { return v < 64 }})
	info, err := os.Stat(binary)
	if err != nil {
		return nil, fmt.Errorf("build it first: %w", err)
	}
	size.values = []float64{float64(info.Size()) / 1e6}
	for range rounds {
		if err := startOnce(ctx, binary, first, ready, memory); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func startOnce(ctx context.Context, binary string, first, ready, memory *figure) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d, err := startDemo(ctx, binary)
	if err != nil {
		return err
	}
	defer func() { _ = d.stop() }()
	at := make(chan time.Duration, 1)
	failed := make(chan error, 1)
	go func() {
		t, err := d.waitPage(ctx, page)
		if err != nil {
			failed <- err
			return
		}
		at <- t
	}()
	all, err := d.waitLine(ctx, "all ready")
	if err != nil {
		return err
	}
	select {
	case t := <-at:
		first.values = append(first.values, t.Seconds())
	case err := <-failed:
		return err
	}
	ready.values = append(ready.values, all.Seconds())
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	processes, err := tree(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	var sum int64
	for _, p := range processes {
		sum += p.pss
		fmt.Fprintf(os.Stderr, "%6.1f MB  %s\n", float64(p.pss)/1e6, p.args)
	}
	memory.values = append(memory.values, float64(sum)/1e6)
	return d.stop()
}
