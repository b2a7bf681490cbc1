//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
)

const edgeSeconds = 10

// edge measures the product page through the edge under wrk.
func edge(ctx context.Context, binary string, rounds int) (*figures.Result, error) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return nil, errors.New("wrk is not installed: apt-get install wrk, or run scripts/install-test-deps.sh")
	}
	r := &figures.Result{
		Name: "bench-edge", Title: "Product pages through the edge (`make bench-edge`)",
		Method: fmt.Sprintf("`muster demo`, one replica each, `wrk -t1 -c32 -d%ds` on one product's page; load, edge, control and "+
			"all services share the machine. CPU is what the fleet's processes used (user and system), by /proc.", edgeSeconds),
	}
	rate := r.Add(&figures.Figure{What: "requests through the edge", Unit: "req/s", Target: ">= 5,000", Holds: func(v float64) bool { return v >= 5000 }})
	bad := r.Add(&figures.Figure{What: "answers other than 2xx, and socket errors", Unit: "", Target: "0", Holds: func(v float64) bool { return v == 0 }})
	p99 := r.Report("p99", "ms")
	cpuEdge := r.Report("CPU of the edge", "s per 100k requests")
	cpuCatalog := r.Report("CPU of catalog", "s per 100k requests")

	d, err := host.StartDemo(ctx, binary)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Stop() }()
	if _, err := d.WaitLine(ctx, "all ready"); err != nil {
		return nil, err
	}
	for range rounds {
		before, err := host.Tree(d.PID())
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, wrk, "-t1", "-c32", fmt.Sprintf("-d%ds", edgeSeconds), "--latency", "http://127.0.0.1:8080/v1/products/p-1001")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("wrk: %w", err)
		}
		after, err := host.Tree(d.PID())
		if err != nil {
			return nil, err
		}
		w, err := host.ParseWrk(string(out))
		if err != nil {
			return nil, err
		}
		rate.Put(w.PerSecond)
		bad.Put(w.Bad)
		p99.Put(w.P99.Seconds() * 1000)
		cpuEdge.Put(cpuPer100k(before, after, "engine edge", w.Requests))
		cpuCatalog.Put(cpuPer100k(before, after, "shop catalog", w.Requests))
	}
	return r, d.Stop()
}

func cpuPer100k(before, after []host.Process, args string, requests float64) float64 {
	used := func(list []host.Process) (sum time.Duration) {
		for _, p := range list {
			if strings.Contains(p.Args, args) {
				sum += p.CPU
			}
		}
		return sum
	}
	return (used(after) - used(before)).Seconds() / requests * 1e5
}
