package own

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/ops"
)

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

// tell is how long callers may take to be asked how many calls they made.
const tell = 5 * time.Second

// used runs a drill and adds for each service broken that somebody called it meanwhile:
// what nobody calls can be broken without anybody seeing it.
func (f *Fleet) used(ctx context.Context, up *local.Fleet, services []string, run func() (*drill.Report, error)) (*drill.Report, error) {
	was := f.hops(ctx, up)
	r, err := run()
	if err != nil {
		return r, err
	}
	// one that is busy, or was started a moment ago, may not answer at once
	sums := map[string]uint64{}
	live.Until(ctx, tell, func() bool {
		for name, n := range calls(was, f.hops(ctx, up)) {
			sums[name] = max(sums[name], n)
		}
		return !slices.ContainsFunc(services, func(s string) bool { return sums[s] == 0 && f.seen(s) })
	})
	for _, name := range services {
		f.judgeUsed(r, name, sums[name])
	}
	return r, ctx.Err()
}

// seen reports whether calls of a service can be counted: its callers do that, and neither
// those of a protocol of its own nor the broker that brings it events are any.
func (f *Fleet) seen(service string) bool {
	s, _ := f.spec.Service(service)
	return !s.TCP && len(s.On) == 0
}

func (f *Fleet) judgeUsed(r *drill.Report, service string, n uint64) {
	if n == 0 && !f.seen(service) {
		r.Note("%s is used: not judged: calls of HTTP and gRPC are counted, not events and other protocols", service)
		return
	}
	r.Add(service+" is used: calls", ">= 1", n, n > 0)
}

// calls returns the calls to each service between two looks. A process that counts less
// than before has been started again.
func calls(was, now map[hop]made) map[string]uint64 {
	sums := map[string]uint64{}
	for h, n := range now {
		before := was[h].calls
		if n.calls < before {
			before = 0
		}
		sums[h.target] += n.calls - before
	}
	return sums
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
