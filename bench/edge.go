package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const edgeSeconds = 10

// edge measures the product page through the edge under wrk.
func edge(ctx context.Context, binary string, rounds int) (*result, error) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return nil, errors.New("wrk is not installed: apt-get install wrk, or run scripts/install-test-deps.sh")
	}
	r := &result{
		name: "bench-edge", title: "Product pages through the edge (`make bench-edge`)",
		method: fmt.Sprintf("`muster demo`, one replica each, `wrk -t1 -c32 -d%ds` on one product's page; load, edge, control and "+
			"all services share the machine. CPU is what the fleet's processes used (user and system), by /proc.", edgeSeconds),
	}
	rate := r.add(&figure{what: "requests through the edge", unit: "req/s", target: ">= 5,000", holds: func(v float64) bool { return v >= 5000 }})
	bad := r.add(&figure{what: "answers other than 2xx, and socket errors", unit: "", target: "0", holds: func(v float64) bool { return v == 0 }})
	p99 := r.add(&figure{what: "p99", unit: "ms", target: "reported"})
	cpuEdge := r.add(&figure{what: "CPU of the edge", unit: "s per 100k requests", target: "reported"})
	cpuCatalog := r.add(&figure{what: "CPU of catalog", unit: "s per 100k requests", target: "reported"})

	d, err := startDemo(ctx, binary)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.stop() }()
	if _, err := d.waitLine(ctx, "all ready"); err != nil {
		return nil, err
	}
	for range rounds {
		before, err := tree(d.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, wrk, "-t1", "-c32", fmt.Sprintf("-d%ds", edgeSeconds), "--latency", "http://127.0.0.1:8080/v1/products/p-1001")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("wrk: %w", err)
		}
		after, err := tree(d.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		w, err := parseWrk(string(out))
		if err != nil {
			return nil, err
		}
		rate.values = append(rate.values, w.perSecond)
		bad.values = append(bad.values, w.bad)
		p99.values = append(p99.values, w.p99.Seconds()*1000)
		cpuEdge.values = append(cpuEdge.values, cpuPer100k(before, after, "engine edge", w.requests))
		cpuCatalog.values = append(cpuCatalog.values, cpuPer100k(before, after, "shop catalog", w.requests))
	}
	return r, d.stop()
}

func cpuPer100k(before, after []process, args string, requests float64) float64 {
	used := func(list []process) (sum time.Duration) {
		for _, p := range list {
			if strings.Contains(p.args, args) {
				sum += p.cpu
			}
		}
		return sum
	}
	return (used(after) - used(before)).Seconds() / requests * 1e5
}

type wrkOutput struct {
	requests, perSecond, bad float64
	p99                      time.Duration
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP99      = regexp.MustCompile(`99%\s+([\d.]+(?:us|ms|s|m))`)
	wrkBad      = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// parseWrk reads the report of wrk 4.
func parseWrk(out string) (wrkOutput, error) {
	var w wrkOutput
	first := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(out); m != nil {
			return m[1]
		}
		return ""
	}
	var errs [3]error
	w.requests, errs[0] = strconv.ParseFloat(first(wrkRequests), 64)
	w.perSecond, errs[1] = strconv.ParseFloat(first(wrkRate), 64)
	w.p99, errs[2] = time.ParseDuration(first(wrkP99))
	if err := errors.Join(errs[:]...); err != nil {
		return w, fmt.Errorf("the report of wrk was not understood: %w\n%s", err, out)
	}
	for _, m := range append([][]string{wrkBad.FindStringSubmatch(out)}, wrkSocket.FindStringSubmatch(out)) {
		for _, s := range m[min(1, len(m)):] {
			n, _ := strconv.ParseFloat(s, 64) // the pattern holds digits only
			w.bad += n
		}
	}
	return w, nil
}
