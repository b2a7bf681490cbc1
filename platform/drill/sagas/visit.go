package sagas

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/load/pace"
	"github.com/musterdev/muster/strictyaml"
)

// visit lets one visitor walk a flow.
func (d *drive) visit(ctx context.Context, f load.Flow) (accepted bool, why string, err error) {
	d.visits++
	plan := d.cfg.Plan
	plan.SLO = load.SLO{}
	plan.Flows, plan.Seed = []load.Flow{f}, d.cfg.Seed+d.visits
	// The first comes at once, and the second would when it is over.
	plan.Arrivals, plan.Stages = pace.Constant, []load.Stage{{Rate: 20, For: 50 * time.Millisecond}}
	got, err := load.Run(ctx, plan, load.Config{MaxLag: time.Minute})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return false, "", err
	}
	if got.Offered != 1 {
		return false, "", fmt.Errorf("%d visitors came in place of one", got.Offered)
	}
	return got.OK == 1, strings.Join(got.Failures, "; "), nil
}

// begun is a flow that begins one saga, and how long a recording of it lasts.
type begun struct {
	load.Flow
	window time.Duration
}

// choose finds the flows that begin one saga, by letting one visitor of each come, and how
// long it takes until all is quiet.
func (d *drive) choose(ctx context.Context) error {
	flows, err := d.cfg.candidates()
	if err != nil {
		return err
	}
	var said []string
	for _, f := range flows {
		began := time.Now()
		accepted, why, err := d.visit(ctx, f)
		if err != nil {
			return err
		}
		if !accepted {
			said = append(said, fmt.Sprintf("%s failed: %s", f.Name, why))
			continue
		}
		seen, wrong := d.await(ctx, came{atLeast: 1, patience: startWithin})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch n := len(seen.fresh); {
		case n == 0:
			said = append(said, f.Name+" begins none")
			continue
		case n > 1:
			return fmt.Errorf("one visitor of %s begins %d sagas %q: this drill wants one that begins one, and compares what became of it", f.Name, n, d.cfg.Saga)
		case wrong != "":
			return fmt.Errorf("the saga of a visitor of %s, while nothing was broken: %s", f.Name, wrong)
		}
		d.flows = append(d.flows, begun{f, quietFor(tookSince(began, seen.fresh[0].Updated))})
		if err := d.check(ctx); err != nil {
			return fmt.Errorf("while nothing was broken, after a visitor of %s: %w", f.Name, err)
		}
	}
	if len(d.flows) == 0 {
		return fmt.Errorf("the load begins no saga %q: %s", d.cfg.Saga, strings.Join(said, "; "))
	}
	return nil
}

// startWithin is how long after the answer to a visitor a saga may begin.
const startWithin = 2 * time.Second

// tookSince is how long a saga took that ended at a time of its database's clock; where that
// goes otherwise than ours, it is how long it took until it was seen.
func tookSince(began, ended time.Time) time.Duration {
	now := time.Now()
	if ended.Before(began) || ended.After(now) {
		ended = now
	}
	return ended.Sub(began)
}

// quietFor is how long a recording lasts when one saga took so long until all was quiet.
func quietFor(took time.Duration) time.Duration {
	return min(took+took/2+200*time.Millisecond, time.Minute)
}

// candidates are the flows that may begin the saga, each with a name.
func (cfg Config) candidates() ([]load.Flow, error) {
	flows := slices.Clone(cfg.Plan.Flows)
	var names []string
	for i := range flows {
		if flows[i].Name == "" {
			flows[i].Name = fmt.Sprintf("flow %d", i+1)
		}
		names = append(names, flows[i].Name)
	}
	if cfg.Flow == "" {
		return flows, nil
	}
	i := slices.Index(names, cfg.Flow)
	if i < 0 {
		return nil, fmt.Errorf("the load has no flow %q%s", cfg.Flow, strictyaml.SuggestOrList(cfg.Flow, names, "flows"))
	}
	return flows[i : i+1], nil
}
