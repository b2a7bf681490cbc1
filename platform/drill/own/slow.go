package own

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/fault/machine"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise/instance"
)

const (
	slowShare = 0.2 // of the time that a slow replica runs
	// What slow answers may become while one replica is slow: so many times what they
	// were, or so much longer where they were short, as a process that stands still for
	// 16 ms at a time must be met by somebody to be known.
	slowTimes = 3
	slowMore  = 100 * time.Millisecond
)

// SlowReplica lets one replica of a service run for a fifth of the time, for t.For: one
// service after the other.
func (f *Fleet) SlowReplica(t Terms) (*Drill, error) {
	services, err := f.replicated(t.Services)
	if err != nil {
		return nil, err
	}
	return &Drill{run: func(ctx context.Context, up *local.Fleet) (*drill.Report, error) {
		r := &drill.Report{Drill: "slow-replica", Seed: t.Seed}
		return f.used(ctx, up, services, func() (*drill.Report, error) {
			for _, s := range services {
				if err := f.slow(ctx, r, up, t, s); err != nil {
					return nil, err
				}
			}
			return r, nil
		})
	}}, nil
}

func (f *Fleet) slow(ctx context.Context, r *drill.Report, up *local.Fleet, t Terms, service string) error {
	plan, rate := f.ready(t)
	ready := live.Ready(up, service)
	if len(ready) < 2 {
		return fmt.Errorf("slow-replica: %s has %d ready replicas; it needs 2 or more, so that one may be slow", service, len(ready))
	}
	what := fmt.Sprintf("one of %d of %s at %.0f %%", len(ready), service, 100*slowShare)
	before, err := phase(ctx, plan, rate, t.For)
	if err != nil {
		return err
	}
	var during load.Result
	proofs, err := throttled(ctx, ready[:1], slowShare, func() error {
		during, err = phase(ctx, plan, rate, t.For)
		return err
	})
	if err != nil {
		return err
	}
	row(r, what+": answered before", 0.999, before)
	row(r, what+": answered", 0.999, during)
	most := max(slowTimes*before.Response.P99, before.Response.P99+slowMore)
	r.Add(what+": p99", fmt.Sprintf("<= %s (%d times the %s of before, or %s more)", short(most), slowTimes, short(before.Response.P99), slowMore),
		short(during.Response.P99), during.OK > 0 && during.Response.P99 <= most)
	for _, p := range proofs {
		r.Note("%s: %s", what, p)
	}
	return nil
}

// throttled lets instances run for a share of the time while something is done. What they
// share a machine with runs as before.
func throttled(ctx context.Context, list []instance.Status, share float64, do func() error) (proofs []fault.Proof, err error) {
	var slowed []*machine.Throttled
	var errs []error
	for _, i := range list {
		one, err := machine.Throttle(ctx, i.PID, share)
		if err != nil {
			errs = append(errs, fmt.Errorf("slow %s down: %w", i.ID, err))
			break
		}
		slowed = append(slowed, one)
	}
	if len(errs) == 0 {
		errs = append(errs, do())
	}
	for _, one := range slowed {
		p, err := one.Remove(context.WithoutCancel(ctx)) // it must not stay slow
		proofs, errs = append(proofs, p), append(errs, err)
	}
	return proofs, errors.Join(errs...)
}

func short(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
