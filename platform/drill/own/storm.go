package own

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/ops"
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
	return &Drill{run: func(ctx context.Context, up *local.Fleet) (*drill.Report, error) { return f.storm(ctx, up, t) }}, nil
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

// hop is the calls of one caller's process to one service.
type hop struct{ caller, instance, target string }

type made struct{ calls, attempts uint64 }

// hops asks everybody who can tell how many calls and attempts it made so far.
func (f *Fleet) hops(ctx context.Context, up *local.Fleet) map[hop]made {
	out := map[hop]made{}
	st := up.Status()
	edge := admin.NewClient(local.EdgeSocket(st.Dir))
	for _, c := range ops.CallsOf(ctx, st, edge.Calls).Callers {
		for _, s := range c.Calls {
			if _, ours := f.spec.Service(s.Service); !ours {
				continue
			}
			var sum made
			for _, route := range s.Routes {
				sum.calls, sum.attempts = sum.calls+route.Calls, sum.attempts+route.Attempts.All()
			}
			out[hop{c.Service, c.Instance, s.Service}] = sum
		}
	}
	return out
}

// attempts adds a row for each caller and service called: the attempts made for its calls
// between two looks. A process that is not in both, as it died, is left out.
func attempts(r *drill.Report, what string, was, now map[hop]made, length time.Duration) {
	type way struct{ caller, target string }
	sums, processes := map[way]made{}, map[way]int{}
	for h, n := range now {
		before := was[h]
		if n.calls <= before.calls || n.attempts < before.attempts {
			continue
		}
		w := way{h.caller, h.target}
		s := sums[w]
		sums[w] = made{s.calls + n.calls - before.calls, s.attempts + n.attempts - before.attempts}
		processes[w]++
	}
	for _, w := range slices.SortedFunc(maps.Keys(sums), func(a, b way) int {
		return cmp.Or(cmp.Compare(a.caller, b.caller), cmp.Compare(a.target, b.target))
	}) {
		s := sums[w]
		ratio := float64(s.attempts) / float64(s.calls)
		extra := float64(processes[w]) * (floor + length.Seconds()) // of callers that seldom call
		held := ratio <= mostAttempts || float64(s.attempts)-float64(s.calls) <= extra
		r.Add(fmt.Sprintf("%s: attempts for a call of %s to %s", what, w.caller, w.target),
			fmt.Sprintf("<= %.2f, or %.0f more than calls", mostAttempts, extra), fmt.Sprintf("%.2f (%d for %d)", ratio, s.attempts, s.calls), held)
	}
	if len(sums) == 0 {
		r.Add(what+": attempts for a call", fmt.Sprintf("<= %.2f", mostAttempts), "no caller could be asked", false)
	}
}
