package own

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/strictyaml"
)

// Way is a way between two services and what becomes of it.
type Way struct {
	From, To string // services; From may be edge
	// Delay makes every round trip longer by so much; 0 cuts the way.
	Delay time.Duration
	// Unaffected are flows of the load file that need nothing of the way: none of their
	// requests may fail.
	Unaffected []string
}

// edgeName is what the edge calls itself before the registry.
const edgeName = "edge"

// Partition swallows everything on a way for t.For, or delays it. It is proven that calls
// went that way and that the fault is gone afterwards.
func (f *Fleet) Partition(t Terms, w Way) (*Drill, error) {
	switch {
	case w.From == "" || w.To == "":
		return nil, mistakef("--from and --to are missing: the way from which service to which is cut; the services are %v, and visitors come from %s", f.names(), edgeName)
	case w.From == w.To:
		return nil, mistakef("--from and --to are both %s: name two services", w.From)
	case w.Delay < 0 || w.Delay > time.Minute:
		return nil, mistakef("--delay must be 0s to 1m0s, not %s", w.Delay)
	case len(t.Services) > 0:
		return nil, mistakef("--service: a partition is between two services; say --from and --to")
	}
	if w.From != edgeName {
		if err := f.known(w.From); err != nil {
			return nil, err
		}
	}
	if err := f.known(w.To); err != nil {
		return nil, err
	}
	if err := f.flows(w.Unaffected); err != nil {
		return nil, err
	}
	edges := fault.NewEdges(cmp.Or(t.Seed, 1), nil)
	return &Drill{Edges: edges, run: func(ctx context.Context, _ *local.Fleet) (*drill.Report, error) {
		r, err := f.partition(ctx, edges, t, w)
		return r, errors.Join(err, edges.Close())
	}}, nil
}

// flows returns an error that names the near ones when the load has no such flow.
func (f *Fleet) flows(names []string) error {
	var known []string
	for _, one := range f.plan.Flows {
		known = append(known, one.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return mistakef("%s has no flow %q%s", f.file, name, strictyaml.SuggestOrList(name, known, "flows"))
		}
	}
	return nil
}

func (f *Fleet) partition(ctx context.Context, edges *fault.Edges, t Terms, w Way) (*drill.Report, error) {
	r := &drill.Report{Drill: "partition", Seed: t.Seed}
	plan, rate := f.ready(t)
	edge, toxics := fault.Edge{From: w.From, To: w.To}, fault.Toxics{Blackhole: true}
	what := fmt.Sprintf("%s cut for %s", edge, t.For)
	if w.Delay > 0 {
		toxics, what = fault.Delay(w.Delay, 0), fmt.Sprintf("%s slower by %s", edge, w.Delay)
	}
	// A caller that is given a proxy's address before anything breaks has connections when
	// the way is cut, as it would have.
	if err := edges.Set(edge, fault.Toxics{}); err != nil {
		return nil, err
	}
	before, err := phase(ctx, plan, rate, live.Margin(t.For))
	if err != nil {
		return nil, err
	}
	if err := edges.Set(edge, toxics); err != nil {
		return nil, err
	}
	traffic := live.Begin(ctx, plan, rate, t.For)
	early := live.Pause(ctx, t.For)
	met := edges.Stats(edge)
	proofs, err := edges.Remove(context.WithoutCancel(ctx), edge) // it must not stay
	if err := cmp.Or(early, err); err != nil {
		return nil, err
	}
	later, err := f.later(ctx, plan, rate, t.For)
	if err != nil {
		return nil, err
	}
	during, err := traffic.End()
	if err != nil {
		return nil, err
	}
	row(r, "answered before", 1, before)
	r.Add("the way is used: connections", ">= 1", met.Accepted, met.Accepted > 0)
	if w.Delay > 0 {
		row(r, what+": answered", 1, during)
		r.Note("%s: p50 %s, before %s", what, short(during.Response.P50), short(before.Response.P50))
	} else {
		judgeCut(r, what, during, w.Unaffected)
	}
	afterwards(r, t.For, 1, later)
	r.Add("ways proven clean", ">= 1", len(proofs), len(proofs) > 0)
	for _, p := range proofs {
		r.Note("%s", p)
	}
	return r, edges.Err()
}

// judgeCut wants every request to be answered in words while a way is cut, and the flows
// that do not need it to go on.
func judgeCut(r *drill.Report, what string, got load.Result, unaffected []string) {
	var silent int64
	type sum struct{ requests, failed int64 }
	flows := map[string]sum{}
	for _, s := range got.Steps {
		for _, status := range []string{"timeout", "reset", "broken", "refused", "error"} {
			silent += s.Status[status]
		}
		one := flows[s.Flow]
		flows[s.Flow] = sum{one.requests + s.Requests, one.failed + s.Failed}
	}
	r.Add(what+": requests without an answer", "0", fmt.Sprintf("%d of %d", silent+got.Dropped, got.Requests+got.Dropped), silent+got.Dropped == 0 && got.Requests > 0)
	for _, name := range unaffected {
		one := flows[name]
		r.Add(fmt.Sprintf("%s: failed requests of %s", what, name), "0", fmt.Sprintf("%d of %d", one.failed, one.requests), one.failed == 0 && one.requests > 0)
		delete(flows, name)
	}
	for _, s := range got.Steps {
		if one, ok := flows[s.Flow]; ok {
			r.Note("%s: %s: %d of %d requests failed", what, s.Flow, one.failed, one.requests)
			delete(flows, s.Flow)
		}
	}
	for _, v := range got.SLO {
		r.Add(what+": "+v.What, v.Target, v.Measured, v.Held)
	}
	live.Tell(r, what, got)
}
