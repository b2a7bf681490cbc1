package delay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
)

const (
	patience = 10 * time.Second // for what follows at once when all is well
	rest     = 50 * time.Millisecond
)

// Run measures every way with the delay between front and back, and then that the delay
// was what they had to do with.
func Run(ctx context.Context, cfg Config) (*drill.Report, error) {
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1 << 32)
	}
	found, err := cfg.run(ctx)
	if err != nil {
		return nil, err
	}
	return cfg.filled().judge(found), nil
}

// run brings a fleet, measures and ends it.
func (cfg Config) run(ctx context.Context) (found finding, err error) {
	if err := cfg.Validate(); err != nil {
		return found, err
	}
	cfg = cfg.filled()
	edges := fault.NewEdges(cfg.Seed, fault.ProbeHTTP(countsPath))
	for _, e := range long() { // before anybody asks, so that nobody has another address
		if err := edges.Set(e, cfg.toxics()); err != nil {
			return found, errors.Join(err, edges.Close())
		}
	}
	command := cfg.Command
	command.Single, command.Before = true, func(registry http.Handler) http.Handler { return fault.Registry(registry, edges) }
	f, err := stage.Start(ctx, services(), command)
	if err != nil {
		return found, errors.Join(err, edges.Close())
	}
	found, err = cfg.measure(ctx, f, edges)
	return found, errors.Join(err, ctx.Err(), f.Close(), edges.Close())
}

// finding is what was measured.
type finding struct {
	result  load.Result
	calls   map[string]int64 // to back and its twin, by way
	notes   int64            // that came to back by event
	proofs  []fault.Proof
	without time.Duration // what a page of look-ups one by one took when the delay was gone
}

func (cfg Config) measure(ctx context.Context, f *stage.Fleet, edges *fault.Edges) (found finding, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	base := "http://" + f.Addresses(front)[0] + "/pages/"
	plan := load.Plan{
		URL: base, Seed: cfg.Seed, Timeout: 30 * time.Second,
		Stages: []load.Stage{{Rate: cfg.Rate, For: cfg.For}},
	}
	for _, w := range ways() {
		plan.Flows = append(plan.Flows, load.Flow{Name: w.name, Steps: []load.Step{{Path: "/" + url.PathEscape(w.name)}}})
	}
	if found.result, err = load.Run(ctx, plan, load.Config{Client: client, MaxLag: cfg.maxLag}); err != nil {
		return found, err
	}
	if err := errors.Join(ctx.Err(), edges.Err()); err != nil {
		return found, err
	}
	accepted := found.ok(event) + found.ok(farAll) + found.ok(nearAll)
	err = until(ctx, func() (done bool, err error) {
		found.calls, found.notes = map[string]int64{}, 0
		for _, service := range []string{back, placed} {
			for _, at := range f.Addresses(service) {
				if err := found.count(ctx, client, "http://"+at+countsPath); err != nil {
					return false, err
				}
			}
		}
		return found.notes >= accepted, nil
	})
	if err != nil {
		return found, err
	}
	clean, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, e := range long() {
		proofs, err := edges.Remove(clean, e)
		if err != nil {
			return found, err
		}
		found.proofs = append(found.proofs, proofs...)
	}
	return found, until(ctx, func() (bool, error) {
		began := time.Now()
		err := get(ctx, client, base+oneByOne, nil)
		found.without = time.Since(began)
		return found.without < cfg.trip(), err
	})
}

// count adds what one instance of back did.
func (found *finding) count(ctx context.Context, client *http.Client, at string) error {
	var one Counts
	if err := get(ctx, client, at, &one); err != nil {
		return err
	}
	for way, n := range one.Calls {
		found.calls[way] += n
	}
	found.notes += one.Notes
	return nil
}

// of returns what became of the requests of a way; zero of none.
func (found *finding) of(way string) load.Requests {
	for _, s := range found.result.Steps {
		if s.Flow == way {
			return s
		}
	}
	return load.Requests{}
}

func (found *finding) ok(way string) int64 { return found.of(way).Requests - found.of(way).Failed }

// until asks again and again for something to be done, a bounded time; that it is not
// done by then is for the judge.
func until(ctx context.Context, ask func() (done bool, err error)) error {
	for deadline := time.Now().Add(patience); ; {
		done, err := ask()
		if done || err != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func get(ctx context.Context, client *http.Client, target string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return err
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.200s", target, res.Status, body)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(body, into)
	}
	return err
}
