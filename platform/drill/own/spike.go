package own

import (
	"context"
	"fmt"
	"slices"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise/instance"
)

const (
	surge    = 3     // times the rate of the load file
	leastTop = 0.999 // of the most important answered in a spike
)

// TrafficSpike lets three times as many visitors come for t.For.
func (f *Fleet) TrafficSpike(t Terms) (*Drill, error) {
	if len(t.Services) > 0 {
		return nil, mistakef("--service: a spike meets the whole fleet; leave it out")
	}
	if err := f.fits(t, surge); err != nil {
		return nil, err
	}
	return &Drill{run: func(ctx context.Context, _ *local.Fleet) (*drill.Report, error) {
		r := &drill.Report{Drill: "traffic-spike", Seed: t.Seed}
		plan, rate := f.ready(t)
		before, err := phase(ctx, plan, rate, live.Margin(t.For))
		if err != nil {
			return nil, err
		}
		during, err := phase(ctx, plan, surge*rate, t.For)
		if err != nil {
			return nil, err
		}
		later, err := f.later(ctx, plan, rate, t.For)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("%g times the visitors", float64(surge))
		row(r, "answered before", wellBefore, before)
		// A fleet that serves its load serves a third of three times that.
		row(r, what+": answered", leastGoodput/surge, during)
		top(r, what, during)
		afterwards(r, t.For, leastLater, later)
		return r, nil
	}}, nil
}

// top adds the row of the most important requests, where the load has several priorities
// and these are few enough that a fleet which serves its load can serve all of them.
func top(r *drill.Report, what string, got load.Result) {
	list := slices.DeleteFunc(slices.Clone(got.Priorities), func(q load.Requests) bool { return q.Requests == 0 })
	if len(list) < 2 {
		r.Note("the load has one priority only: who is served first in a spike is not judged; see priority in its file and in muster.yaml")
		return
	}
	first := list[0] // the most important
	ok, share := first.Requests-first.Failed, float64(first.Requests)/float64(max(1, got.Requests))
	measured := fmt.Sprintf("%.4g %% (%d of %d)", 100*float64(ok)/float64(first.Requests), ok, first.Requests)
	if share > 1.0/surge {
		r.Note("%s: %s requests answered: %s; as they are %.0f %% of all, not all of them need fit", what, first.Priority, measured, 100*share)
		return
	}
	r.Add(fmt.Sprintf("%s: %s requests answered", what, first.Priority), fmt.Sprintf(">= %.4g %%", 100*leastTop), measured,
		float64(ok) >= leastTop*float64(first.Requests))
	if first.Priority == resilience.Normal.String() {
		r.Note("%s requests are the most important of the load", first.Priority)
	}
}

// instances returns the ready instances of services.
func instances(up *local.Fleet, services []string) (list []instance.Status) {
	for _, s := range services {
		list = append(list, live.Ready(up, s)...)
	}
	return list
}
