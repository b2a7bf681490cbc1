// Package live is what drills share that break a fleet of real processes: who runs in
// it, and traffic from an open loop whose verdict goes into a report.
package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// Fleet is a fleet as its supervisor has it; *supervise.Supervisor is one.
type Fleet interface {
	Status() supervise.Status
	// KillFor ends an instance or an engine by SIGKILL; it stays away for so long.
	KillFor(id string, away time.Duration) error
	Scale(ctx context.Context, service string, n int) error
	Replace(ctx context.Context, service string) error
}

// Instances returns the instances of a service.
func Instances(f Fleet, service string) []instance.Status {
	for _, s := range f.Status().Services {
		if s.Name == service {
			return s.Instances
		}
	}
	return nil
}

// Ready returns the instances of a service that are ready.
func Ready(f Fleet, service string) []instance.Status {
	return slices.DeleteFunc(Instances(f, service), func(i instance.Status) bool { return i.Phase != instance.Ready })
}

// Engine returns an engine that is ready, as a process other than those that were killed:
// these are called ready until their supervisor has seen that.
func Engine(f Fleet, name string, killed ...instance.Status) (instance.Status, bool) {
	for _, e := range f.Status().Engines {
		if e.Service == name && e.Phase == instance.Ready && !slices.ContainsFunc(killed, func(k instance.Status) bool { return k.PID == e.PID }) {
			return e, true
		}
	}
	return instance.Status{}, false
}

// look is how often a condition is looked at.
const look = 20 * time.Millisecond

// Until waits until a condition holds, and returns how long that took; false when it did
// not within the time, or ctx ended.
func Until(ctx context.Context, within time.Duration, holds func() bool) (time.Duration, bool) {
	for began := time.Now(); ; {
		if holds() {
			return time.Since(began), true
		}
		if time.Since(began) > within || Pause(ctx, look) != nil {
			return time.Since(began), false
		}
	}
}

// Whole waits until a service has n ready instances, none of them a process that was
// killed, or returns what it has. A process that just died is called ready until its
// supervisor has seen that: so it is not the number alone that tells.
func Whole(ctx context.Context, f Fleet, service string, n int, killed ...instance.Status) error {
	living := func() []instance.Status {
		return slices.DeleteFunc(Ready(f, service), func(i instance.Status) bool {
			return slices.ContainsFunc(killed, func(k instance.Status) bool { return k.PID == i.PID })
		})
	}
	if _, ok := Until(ctx, time.Minute, func() bool { return len(living()) >= n }); !ok {
		return cmp.Or(ctx.Err(), fmt.Errorf("%s has %d ready instances of %d after a minute", service, len(living()), n))
	}
	return ctx.Err()
}

// Pause returns nil when d has passed, else why ctx ended.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tell notes what else is worth knowing of a result.
func Tell(r *drill.Report, what string, got load.Result) {
	r.Note("%s: %.0f visits/s, p50 %s, p99 %s, the longest %s; the generator was late by %s (p99)", what,
		float64(got.Offered)/max(1e-9, got.Elapsed.Seconds()), short(got.Response.P50), short(got.Response.P99), short(got.Response.Max), short(got.Lag.P99))
	for _, f := range got.Failures {
		r.Note("%s: %s", what, f)
	}
	if got.Void != "" {
		r.Note("%s: nothing here may be believed: %s", what, got.Void)
	}
}

func short(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// Codes writes how often each status came, the statuses in order.
func Codes(list ...load.Requests) string {
	sum := map[string]int64{}
	for _, l := range list {
		for code, n := range l.Status {
			sum[code] += n
		}
	}
	var words []string
	for code, n := range sum {
		words = append(words, fmt.Sprintf("%s: %d", code, n))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
