package moves

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
)

// Cut says which way is cut, and what is to be seen on both its sides.
type Cut struct {
	Edges *fault.Edges // through which the caller asks the registry
	Edge  fault.Edge   // from one service to another
	For   time.Duration
	Rate  load.Rate // visits a second; 0 means 200
	// Others are visits that do not need the way, and Needs those that do with less while
	// it is cut; Without says what these lack. Plan holds what both share.
	Plan    load.Plan
	Others  []load.Flow
	Needs   []load.Flow
	Without string
	// Whole makes one request that needs the way, and returns why it did not get all.
	Whole func(ctx context.Context) error
}

const (
	mended = 2 * time.Second // how soon all is well when the way is there again
	asks   = 100 * time.Millisecond
)

// Partition swallows everything on one way between two services for a while.
func Partition(ctx context.Context, cfg Cut) (*drill.Report, error) {
	cfg.Rate = cmp.Or(cfg.Rate, 200)
	r := &drill.Report{Drill: "partition", Seed: cfg.Plan.Seed}
	// A caller that is given a proxy's address before anything breaks has connections when
	// the way is cut, as it would have.
	if err := cfg.Edges.Set(cfg.Edge, fault.Toxics{}); err != nil {
		return nil, err
	}
	others, needs := cfg.Plan, cfg.Plan
	others.Flows, needs.Flows = cfg.Others, cfg.Needs
	margin := live.Margin(cfg.For)
	length := cfg.For + 2*margin + time.Second
	rest, less := live.Begin(ctx, others, cfg.Rate, length), live.Begin(ctx, needs, cfg.Rate/10, length)
	if err := live.Pause(ctx, margin); err != nil {
		return nil, err
	}
	before := cfg.Whole(ctx)
	if err := cfg.Edges.Set(cfg.Edge, fault.Toxics{Blackhole: true}); err != nil {
		return nil, err
	}
	whole, asked := 0, 0
	for began := time.Now(); time.Since(began) < cfg.For && ctx.Err() == nil; asked++ {
		if cfg.Whole(ctx) == nil {
			whole++
		}
		if live.Pause(ctx, asks) != nil {
			break
		}
	}
	met := cfg.Edges.Stats(cfg.Edge)
	ended := time.Now()
	proofs, err := cfg.Edges.Remove(context.WithoutCancel(ctx), cfg.Edge)
	if err != nil {
		return nil, err
	}
	_, well := live.Until(ctx, 2*mended, func() bool { return cfg.Whole(ctx) == nil })
	took := time.Since(ended)
	if before != nil {
		r.Note("before: %v", before)
	}
	r.Add("all is well before", "yes", yes(before == nil), before == nil)
	r.Add(fmt.Sprintf("%s cut for %s: requests that got all", cfg.Edge, cfg.For), "0", fmt.Sprintf("%d of %d", whole, asked), whole == 0 && asked > 0 && met.Accepted > 0)
	if err := less.NoneFailed(r, "who needs the way, "+cfg.Without); err != nil {
		return nil, err
	}
	if err := rest.NoneFailed(r, "who does not need the way"); err != nil {
		return nil, err
	}
	r.Add("all is well again", "within "+mended.String(), took.Round(time.Millisecond), well && took <= mended)
	r.Add("ways proven clean", ">= 1", len(proofs), len(proofs) > 0)
	for _, p := range proofs {
		r.Note("%s", p)
	}
	return r, cmp.Or(cfg.Edges.Err(), ctx.Err())
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
