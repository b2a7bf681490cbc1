// Package sagas are the loads of the benchmark of sagas.
package sagas

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
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
	Peers  []Peer
}

// Peer is what carries out the same with other means: two steps, as many under way as with calls.
type Peer struct {
	Name  string
	Calls bool // its steps are calls, and its CPU is that of its server alone; else they do nothing, and it is all CPU
	Load  func(ctx context.Context) (rate, micros float64, err error)
}

// figures adds those of a peer, and returns who puts a round into them.
func (p Peer) figures(b Bench) func(ctx context.Context, ourRate, ourMicros float64) error {
	what, whose := "of two steps", "all of it"
	least := func(string, float64) func(float64) { return func(float64) {} }
	if p.Calls {
		what, whose = "with two calls", "its server alone"
		least = func(what string, bound float64) func(float64) {
			return b.Add(what, "times", fmt.Sprintf(">= %g", bound), func(v float64) bool { return v >= bound })
		}
	}
	rates := b.Add(fmt.Sprintf("%s: sagas %s, %d in flight", p.Name, what, callers), "/s", "reported", nil)
	cpu := b.Add(fmt.Sprintf("%s: CPU of a saga %s, %s", p.Name, what, whose), "µs", "reported", nil)
	more := least("CPU of "+p.Name+"'s server beside all of ours", 5)
	faster := least("sagas with two calls beside "+p.Name+"'s", 2)
	return func(ctx context.Context, ourRate, ourMicros float64) error {
		rate, micros, err := p.Load(ctx)
		if err != nil {
			return err
		}
		rates(rate)
		cpu(micros)
		more(micros / ourMicros)
		faster(ourRate / rate)
		return nil
	}
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
	called, calledCPU := report("/s", "sagas with two calls, %d in flight", callers), report("µs", "CPU of a saga with two calls, but for who is asked")

	peers := make([]func(context.Context, float64, float64) error, len(b.Peers))
	for i, p := range b.Peers {
		peers[i] = p.figures(b)
	}
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
		for _, round := range peers {
			if err := round(ctx, callRate, callCPU); err != nil {
				return err
			}
		}
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
	mu    sync.Mutex
	ended map[string]chan struct{} // by id
	stop  func()
}

func newLight(ctx context.Context, db *sql.DB, name string, do func(context.Context, *string) error) (*light, error) {
	l := &light{ended: map[string]chan struct{}{}}
	l.saga = &saga.Saga[string]{
		Name: name, Version: 1,
		Steps: []saga.Step[string]{
			saga.Remote[string]{Name: "ask", Do: do, NoUndo: true},
			saga.Remote[string]{Name: "tell", Do: do},
		},
		Ended: func(id string, _ saga.State) {
			l.mu.Lock()
			ended := l.ended[id]
			delete(l.ended, id)
			l.mu.Unlock()
			if ended != nil {
				close(ended)
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
	l.mu.Lock()
	l.ended[id] = ended
	l.mu.Unlock()
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

// participant starts a server that says yes, in a process of its own: what it uses is nobody's figure.
func participant(ctx context.Context) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "muster-participant-")
	if err != nil {
		return "", nil, err
	}
	file, err := built(ctx, dir, "bench", "./participant")
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	cmd := exec.CommandContext(ctx, file)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait() // it has nothing to say
		_ = os.RemoveAll(dir)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() {
		stop()
		return "", nil, errors.New("the participant did not start")
	}
	return said.Text(), stop, nil
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
