package own

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
)

const (
	stormShare   = 0.25 // of the time that each replica of the slow service runs
	leastGoodput = 0.9  // of what a quarter of the service is certainly good for
	mostAttempts = 1.15 // for a call
	// floor is how many extra attempts a caller's budget has for a target that is seldom
	// called; one more comes each second (see resilience.BudgetSettings).
	floor      = 10
	leastLater = 0.99
	wellBefore = 0.99
)

// RetryStorm lets all replicas of one service run for a quarter of the time, for t.For,
// and counts the attempts that everybody makes for a call.
func (f *Fleet) RetryStorm(t Terms) (*Drill, error) {
	if err := f.known(t.Services...); err != nil {
		return nil, err
	}
	if len(t.Services) == 0 {
		return nil, mistakef("--service is missing: whose replicas are all to be slow; the services are %v", f.names())
	}
	for _, name := range t.Services {
		if s, _ := f.spec.Service(name); s.Replicas == 0 {
			return nil, mistakef("service %s has 0 replicas: there is nobody to slow down; write \"replicas: 1\"", name)
		}
	}
	return &Drill{run: func(ctx context.Context, up *local.Fleet) (*drill.Report, error) {
		return f.used(ctx, up, t.Services, func() (*drill.Report, error) { return f.storm(ctx, up, t) })
	}}, nil
}

func (f *Fleet) storm(ctx context.Context, up *local.Fleet, t Terms) (*drill.Report, error) {
	r := &drill.Report{Drill: "retry-storm", Seed: t.Seed}
	plan, rate := f.ready(t)
	before, err := phase(ctx, plan, rate, live.Margin(t.For))
	if err != nil {
		return nil, err
	}
	was := f.hops(ctx, up)
	var during load.Result
	slow := instances(up, t.Services)
	if len(slow) == 0 {
		return nil, fmt.Errorf("retry-storm: %s has no ready replica; it needs one or more, so that they may be slow", strings.Join(t.Services, ", "))
	}
	proofs, err := throttled(ctx, slow, stormShare, func() error {
		during, err = phase(ctx, plan, rate, t.For)
		return err
	})
	if err != nil {
		return nil, err
	}
	now := f.hops(ctx, up)
	later, err := f.later(ctx, plan, rate, t.For)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%s at %.0f %%", strings.Join(t.Services, ", "), 100*stormShare)
	row(r, "answered before", wellBefore, before)
	// What the service did before, it does a quarter of at a quarter of its speed, at least.
	row(r, what+": answered", leastGoodput*stormShare, during)
	attempts(r, what, was, now, t.For)
	afterwards(r, t.For, leastLater, later)
	for _, p := range proofs {
		r.Note("%s", p)
	}
	return r, nil
}

// soon is when after a trouble all is to be well: 2 s, or after a shorter trouble as long
// as that was.
func soon(trouble time.Duration) time.Duration { return min(2*time.Second, trouble) }

// afterwards is the row of what later returned.
func afterwards(r *drill.Report, trouble time.Duration, least float64, got load.Result) {
	row(r, fmt.Sprintf("answered from %s after it", soon(trouble)), least, got)
}

// later lets visitors come from the end of the trouble on, and returns what became of
// those that came when all is to be well.
func (f *Fleet) later(ctx context.Context, plan load.Plan, rate load.Rate, trouble time.Duration) (load.Result, error) {
	meanwhile := live.Begin(ctx, plan, rate, soon(trouble))
	if err := live.Pause(ctx, soon(trouble)); err != nil {
		return load.Result{}, err
	}
	got, err := phase(ctx, plan, rate, live.Margin(trouble))
	_, failed := meanwhile.End()
	return got, cmp.Or(err, failed)
}
