// Package sagas are the loads of the benchmark of sagas.
package sagas

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga"
)

// The loads of sagas that have nothing to be committed with.
const (
	crowd       = 512 // in flight, on PostgreSQL
	liteCrowd   = 256 // in flight, on SQLite
	callers     = 64  // in flight, with calls
	transitions = 3   // of a saga of two steps: its start and each step
)

// Work is a unit of work of a load.
type Work = func(ctx context.Context, worker, i int) (units int, err error)

// Bench is what light sagas are measured on, and where it is told.
type Bench struct {
	DB     *sql.DB
	Lite   bool // it is SQLite
	Rounds int
	Add    func(what, unit, target string, holds func(float64) bool) (put func(float64)) // a figure
	Load   func(ctx context.Context, workers int, do Work) (rate, micros float64, err error)
}

// Compare measures sagas whose transitions share commits.
func Compare(ctx context.Context, b Bench) error {
	many := crowd
	if b.Lite {
		many = liteCrowd
	}
	report := func(unit, format string, args ...any) func(float64) {
		return b.Add(fmt.Sprintf(format, args...), unit, "reported", nil)
	}
	most := func(what string, bound float64) func(float64) {
		return b.Add(what, "", fmt.Sprintf("<= %g", bound), func(v float64) bool { return v <= bound })
	}
	commits, commitCPU := report("/s", "plain commits, %d in flight", many), report("µs", "CPU of a plain commit, %d in flight", many)
	whole, wholeCPU := report("/s", "light sagas, %d in flight", many), report("µs", "CPU of a light saga, %d in flight", many)
	share, rate := func(float64) {}, func(float64) {}
	var latency func(float64)
	if b.Lite {
		latency = report("", "a light saga alone, as a share of three plain commits")
		rate = b.Add("transitions of light sagas", "/s", ">= 10,000", func(v float64) bool { return v >= 10000 })
	} else {
		share = most("CPU of a light saga as a share of a plain commit's", 0.6)
		latency = most("a light saga alone, as a share of three plain commits", 1.2)
	}
	commitAlone, sagaAlone := report("ms", "a plain commit alone, p50"), report("ms", "a light saga alone, p50")
	called, calledCPU := report("/s", "sagas with two calls, %d in flight", callers), report("µs", "CPU of a saga with two calls, all of it")

	light, err := newLight(ctx, b.DB, "light", func(context.Context, *string) error { return nil })
	if err != nil {
		return err
	}
	defer light.stop()
	url, stop, err := participant(ctx)
	if err != nil {
		return err
	}
	defer stop()
	calling, err := newLight(ctx, b.DB, "calling", ask(url))
	if err != nil {
		return err
	}
	defer calling.stop()
	for range b.Rounds {
		plainRate, plainCPU, err := b.Load(ctx, many, CommitOne(b.DB))
		if err != nil {
			return err
		}
		lightRate, lightCPU, err := b.Load(ctx, many, light.one)
		if err != nil {
			return err
		}
		callRate, callCPU, err := b.Load(ctx, callers, calling.one)
		if err != nil {
			return err
		}
		one, err := median(ctx, CommitOne(b.DB))
		if err != nil {
			return err
		}
		alone, err := median(ctx, light.one)
		if err != nil {
			return err
		}
		commits(plainRate)
		commitCPU(plainCPU)
		whole(lightRate)
		wholeCPU(lightCPU)
		share(lightCPU / plainCPU)
		rate(transitions * lightRate)
		latency(alone / (transitions * one))
		commitAlone(one)
		sagaAlone(alone)
		called(callRate)
		calledCPU(callCPU)
	}
	return nil
}

// median is how long a unit of work takes alone, in milliseconds.
func median(ctx context.Context, do Work) (float64, error) {
	const times = 300
	took := make([]time.Duration, 0, times)
	for i := range times {
		began := time.Now()
		if _, err := do(ctx, 0, i); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.SortFunc(took, cmp.Compare[time.Duration])
	return float64(took[times/2].Microseconds()) / 1000, nil
}

// light runs sagas of two remote steps to their end.
type light struct {
	saga  *saga.Saga[string]
	ended sync.Map // id to a channel that is closed
	stop  func()
}

func newLight(ctx context.Context, db *sql.DB, name string, do func(context.Context, *string) error) (*light, error) {
	l := &light{}
	l.saga = &saga.Saga[string]{
		Name: name, Version: 1,
		Steps: []saga.Step[string]{
			saga.Remote[string]{Name: "ask", Do: do, NoUndo: true},
			saga.Remote[string]{Name: "tell", Do: do},
		},
		Ended: func(id string, _ saga.State) {
			if c, waited := l.ended.LoadAndDelete(id); waited {
				if ended, ok := c.(chan struct{}); ok { // that is what one stores
					close(ended)
				}
			}
		},
	}
	engine, err := saga.New(db, saga.Config{Owner: name, Workers: crowd}, l.saga)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = engine.Run(ctx) // its sagas have ended, or the benchmark has failed already
	}()
	l.stop = func() {
		cancel()
		<-done
	}
	return l, nil
}

// one begins a saga and returns when it has ended.
func (l *light) one(ctx context.Context, _, _ int) (int, error) {
	id, ended := rand.Text(), make(chan struct{})
	l.ended.Store(id, ended)
	if err := l.saga.Begin(ctx, id, id); err != nil {
		return 0, err
	}
	select {
	case <-ended:
		return 1, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// participant is a server that says yes.
func participant(ctx context.Context) (url string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
	go func() { _ = server.Serve(l) }() // until it is closed
	return "http://" + l.Addr().String(), func() { _ = server.Close() }, nil
}

// ask is a step that makes one call.
func ask(url string) func(context.Context, *string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	return func(ctx context.Context, _ *string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
		if err != nil {
			return err
		}
		if call, ok := saga.StepOf(ctx); ok {
			req.Header.Set("Idempotency-Key", call.Key())
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body) // there is none
		return res.Body.Close()
	}
}
