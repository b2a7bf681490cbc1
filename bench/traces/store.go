// Package traces measures the store of traces, and what telemetry costs the shop.
package traces

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/musterdev/muster/bench/figures"
)

// connections send at the same time.
const connections = 4

// besideJaeger is what Jaeger was seen to do. Its program is not built here: the checksums
// of some of its modules cannot be had.
const besideJaeger = `Beside it, from the report, another machine and day: Jaeger v2 all-in-one with Badger, 300,000 spans of the same shape, OTLP/HTTP.

| what | Jaeger, Badger |
|---|---|
| spans a core-second | 16,100 |
| bytes a span on the disk | 865 |
| resident memory | 1,364 MB |
| trace by id, p50 | 1.3 ms |
| user.id=X, an hour | 1.9 ms |
| status=500 of a service, 5 minutes | 13.7 ms |
`

// telemetryFigures are what is measured, by round.
type telemetryFigures struct {
	perCore, perCoreSealed, perSecond, again, bytes, withLog, peak, settled     *figures.Figure
	traceP50, traceP99, userP50, userP99, userSpans, absent, failedP50, failP99 *figures.Figure
}

// Store measures `muster dashboard` as a store of traces.
func Store(ctx context.Context, binary string, rounds int) (*figures.Result, error) {
	r := &figures.Result{
		Name: "bench-telemetry", Title: "Traces, from OTLP to searchable storage (`make bench-telemetry`)",
		Method: fmt.Sprintf("`muster dashboard` gets %d spans by OTLP/HTTP, protobuf: %d services of %d processes each, %d spans a trace, 12 attributes a span, "+
			"%s of time, %d to %d spans a request of one process, %d connections. What is sent was made before. CPU is the process's, user and system, by /proc; "+
			"questions are asked over HTTP, one at a time, when all is sealed. Each round has a new process and an empty folder. The goals are the project's own "+
			"for later; they are judged here, and do not fail the command.",
			spansSent, spansOfTrace, instancesEach, spansOfTrace, spansTime, batchLeast, batchMost, connections),
		Beside: besideJaeger,
	}
	goal := func(what, unit, target string, holds func(float64) bool) *figures.Figure {
		return r.Add(&figures.Figure{What: what, Unit: unit, Target: target, Holds: holds, Goal: true})
	}
	below := func(most float64) func(float64) bool { return func(v float64) bool { return v < most } }
	f := telemetryFigures{
		perCore:       r.Report("spans a core-second, until the last is acknowledged and searchable", ""),
		perCoreSealed: goal("spans a core-second, until all is in sealed blocks", "", "goal >= 250,000", func(v float64) bool { return v >= 250_000 }),
		perSecond:     r.Report("spans a second by the clock, the sender on the same cores", ""),
		again:         r.Report("requests that were asked to come again", ""),
		bytes:         goal("bytes a span on the disk, in sealed blocks", "B", "goal <= 45", func(v float64) bool { return v <= 45 }),
		withLog:       r.Report("bytes a span on the disk, with what is left of the log", "B"),
		peak:          r.Report("resident memory, highest", "MB"),
		settled:       goal("resident memory, at rest", "MB", "goal <= 157 (150 MiB)", func(v float64) bool { return v <= 157 }),
		traceP50:      r.Report("trace by id, p50", "ms"),
		traceP99:      goal("trace by id, p99", "ms", "goal < 2", below(2)),
		userP50:       r.Report("traces with user.id=X, an hour, p50", "ms"),
		userP99:       goal("traces with user.id=X, an hour, p99", "ms", "goal < 100", below(100)),
		userSpans:     r.Report("spans with user.id=X, an hour, without their traces, p50", "ms"),
		absent:        r.Report("traces with a user.id that nobody has, an hour, p50", "ms"),
		failedP50:     r.Report("traces with status 500 of a service, 5 minutes, p50", "ms"),
		failP99:       r.Report("traces with status 500 of a service, 5 minutes, p99", "ms"),
	}
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	c, err := writeCorpus(filepath.Join(dir, "corpus"), 1, time.Now())
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.file.Close() }()
	for i := range rounds {
		if err := f.round(ctx, binary, filepath.Join(dir, fmt.Sprint(i)), c); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// round measures one process, from its start to its end.
func (f *telemetryFigures) round(ctx context.Context, binary, dir string, c *corpus) error {
	s, err := startSink(ctx, binary, dir)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	before, began := s.cpu(), time.Now()
	again, err := s.send(ctx, c, connections)
	if err != nil {
		return err
	}
	sent, took := s.cpu()-before, time.Since(began)
	if n, err := s.stored(ctx); err != nil || n != spansSent {
		return errors.Join(fmt.Errorf("%d of %d spans were stored", n, spansSent), err)
	}
	blocks, log, err := s.settle(ctx)
	if err != nil {
		return err
	}
	sealed := s.cpu() - before
	settled, peak, err := s.memory()
	if err != nil {
		return err
	}
	for _, v := range []struct {
		figure *figures.Figure
		value  float64
	}{
		{f.perCore, spansSent / sent.Seconds()},
		{f.perCoreSealed, spansSent / sealed.Seconds()},
		{f.perSecond, spansSent / took.Seconds()},
		{f.again, float64(again)},
		{f.bytes, float64(blocks) / spansSent},
		{f.withLog, float64(blocks+log) / spansSent},
		{f.peak, peak},
		{f.settled, settled},
	} {
		v.figure.Put(v.value)
	}
	if err := f.ask(ctx, s, c); err != nil {
		return err
	}
	return s.stop()
}

// question is one of a kind that is asked often, each time for something else.
type question struct {
	p50, p99 *figures.Figure // nil: not reported
	times    int
	path     func(i int) string
	found    func(answer []byte) bool
}

func (f *telemetryFigures) ask(ctx context.Context, s *sink, c *corpus) error {
	random := rand.New(rand.NewPCG(2, 2))
	for _, q := range []question{
		{f.traceP50, f.traceP99, len(c.traces), func(i int) string { return "/v1/telemetry/traces/" + hex.EncodeToString(c.traces[i][:]) }, func(answer []byte) bool {
			var trace struct {
				Spans int `json:"spans"`
			}
			return json.Unmarshal(answer, &trace) == nil && trace.Spans == spansOfTrace
		}},
		{f.userP50, f.userP99, 200, func(int) string {
			return search("traces", c.from, c.until, "attr", "user.id="+userID(random.IntN(users)))
		}, finds(true)},
		{f.userSpans, nil, 200, func(int) string {
			return search("points", c.from, c.until, "attr", "user.id="+userID(random.IntN(users)))
		}, finds(true)},
		{f.absent, nil, 200, func(i int) string {
			return search("traces", c.from, c.until, "attr", "user.id="+userID(users+i))
		}, finds(false)},
		{f.failedP50, f.failP99, 200, func(int) string {
			from := c.from.Add(time.Duration(random.Int64N(int64(spansTime - 5*time.Minute))))
			return search("traces", from, from.Add(5*time.Minute), "attr", "http.response.status_code=500", "service", tracedServices[random.IntN(len(tracedServices))])
		}, finds(true)},
	} {
		if err := q.ask(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (q question) ask(ctx context.Context, s *sink) error {
	took := make([]float64, q.times)
	for i := range q.times {
		path, began := q.path(i), time.Now()
		answer, err := s.get(ctx, path)
		took[i] = time.Since(began).Seconds() * 1000
		if err != nil {
			return err
		}
		if !q.found(answer) {
			return fmt.Errorf("%s was answered wrongly: %.300s", path, answer)
		}
	}
	slices.Sort(took)
	q.p50.Put(took[len(took)/2])
	if q.p99 != nil {
		q.p99.Put(took[len(took)*99/100])
	}
	return nil
}

// search asks for the 20 newest traces that match, as a page of a list, or for points.
func search(what string, from, until time.Time, keysAndValues ...string) string {
	v := url.Values{"from": {from.UTC().Format(time.RFC3339Nano)}, "until": {until.Add(time.Second).UTC().Format(time.RFC3339Nano)}, "limit": {"20"}}
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		v.Set(keysAndValues[i], keysAndValues[i+1])
	}
	return "/v1/telemetry/" + what + "?" + v.Encode()
}

// finds reports whether an answer has traces, or has none.
func finds(some bool) func(answer []byte) bool {
	return func(answer []byte) bool {
		var list struct {
			Traces []json.RawMessage `json:"traces"`
			Points []json.RawMessage `json:"points"`
		}
		return json.Unmarshal(answer, &list) == nil && (len(list.Traces)+len(list.Points) > 0) == some
	}
}
