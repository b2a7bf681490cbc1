// Package calls measures what the policies of a call cost.
package calls

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
)

const (
	noopCalls = 500_000 // a way to call, each round
	realCalls = 10_000
	pickFrom  = 32 // instances
)

// way is one way to make the same call.
type way struct {
	name string
	call func(context.Context) error
}

// spent is what one call used.
type spent struct{ nanos, allocs float64 }

// over returns what s used more than bare.
func (s spent) over(bare spent) spent { return spent{s.nanos - bare.nanos, s.allocs - bare.allocs} }

// use makes n calls, one after another, and returns what each used of this process's CPU
// and allocations: the other side's too, where there is one.
func (r *report) use(ctx context.Context, n int, call func(context.Context) error) (spent, error) {
	for range n / 20 { // connections, pools, the scheduler
		if err := call(ctx); err != nil {
			return spent{}, err
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := r.cpu()
	for range n {
		if err := call(ctx); err != nil {
			return spent{}, err
		}
	}
	cpu = r.cpu() - cpu
	runtime.ReadMemStats(&after)
	return spent{float64(cpu.Nanoseconds()) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n)}, nil
}

// method tells how it is measured.
func method() string {
	return fmt.Sprintf("CPU (user and system) and allocations of the process that makes the calls, one after another. "+
		"Policies alone: deadline, budgeted retry, breaker and bulkhead around a call that does nothing, %d a round; failsafe-go v0.9.8 composed alike, with a context's deadline. "+
		"HTTP and gRPC: %d calls a round in memory, client and server in this process; `bare` is http.Transport and grpc-go as they come, Muster's is a Caller with its default: "+
		"deadline, budgeted retry, balancing, ejection and counting. What is said to be over is over the bare call of the same round; all ways take turns within a round.", noopCalls, realCalls)
}

// report is what is measured, and by what clock.
type report struct {
	*figures.Result

	cpu func() time.Duration
}

// Measure measures what the policies of a call cost.
func Measure(ctx context.Context, _ string, rounds int) (*figures.Result, error) {
	r := &report{Result: &figures.Result{Name: "bench-call", Title: "What a call's policies cost (`make bench-call`)", Method: method()}, cpu: host.OwnCPU}
	noop := noopFigures(r)
	overHTTP, closeHTTP := httpFigures(r)
	defer closeHTTP()
	overGRPC, closeGRPC, err := grpcFigures(r)
	if err != nil {
		return nil, err
	}
	defer closeGRPC()
	pick := pickFigures(r)
	for i := range rounds {
		for _, measure := range []func(context.Context, int) error{noop, overHTTP, overGRPC, pick} {
			if err := measure(ctx, i); err != nil {
				return nil, err
			}
		}
	}
	return r.Result, nil
}

// compared makes figures of Muster's way beside another and the bare one, which come in
// this order, and returns what measures a round. ours and theirs name them.
func compared(r *report, n int, what, theirs string, judge bool, ways [3]way) func(context.Context, int) error {
	reported := func(of, unit string) *figures.Figure { return r.Report(what+": "+of, unit) }
	bare := reported("the bare call", "ns")
	ours, oursAllocs := reported("Muster over it", "ns"), reported("Muster over it", "allocations")
	if judge {
		ours.Target, ours.Goal, ours.Holds = "stretch <= 500", true, func(v float64) bool { return v <= 500 }
		oursAllocs.Target, oursAllocs.Goal, oursAllocs.Holds = "stretch <= 4", true, func(v float64) bool { return v <= 4.05 }
	}
	other, otherAllocs := reported(theirs+" over it", "ns"), reported(theirs+" over it", "allocations")
	ratio := r.Add(&figures.Figure{What: what + ": Muster as a share of " + theirs + ", both over the bare call", Target: "reported"})
	if judge {
		ratio.Target, ratio.Holds = "<= 1", func(v float64) bool { return v <= 1 }
	}
	return func(ctx context.Context, round int) error {
		var seen [3]spent
		for turn := range ways {
			i := (round + turn) % len(ways) // none always has the warmer machine
			var err error
			if seen[i], err = r.use(ctx, n, ways[i].call); err != nil {
				return fmt.Errorf("%s, %s: %w", what, ways[i].name, err)
			}
		}
		a, b := seen[0].over(seen[2]), seen[1].over(seen[2])
		for _, v := range []struct {
			*figures.Figure
			value float64
		}{{bare, seen[2].nanos}, {ours, a.nanos}, {oursAllocs, a.allocs}, {other, b.nanos}, {otherAllocs, b.allocs}, {ratio, a.nanos / b.nanos}} {
			v.Put(v.value)
		}
		return nil
	}
}

// policies are failsafe-go's, composed as Muster's default with breaker and bulkhead.
func policies[T any]() []failsafe.Policy[T] {
	return []failsafe.Policy[T]{
		retrypolicy.NewBuilder[T]().WithMaxAttempts(3).WithBackoff(20*time.Millisecond, time.Second).
			WithBudget(budget.NewBuilder().WithMaxRate(.1).WithMinConcurrency(10).Build()).Build(),
		circuitbreaker.NewBuilder[T]().WithFailureRateThreshold(.5, 20, 10*time.Second).WithDelay(5 * time.Second).WithSuccessThreshold(3).Build(),
		bulkhead.New[T](100),
	}
}

// within gives a call the deadline that Muster's gets by default.
func within(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, resilience.DefaultTimeout)
	defer cancel()
	return call(ctx)
}

func noopFigures(r *report) func(context.Context, int) error {
	target := resilience.NewTarget(resilience.Settings{Breaker: &resilience.BreakerSettings{}, Bulkhead: &resilience.BulkheadSettings{Max: 100}})
	executor := failsafe.With(policies[any]()...)
	nothing := func(context.Context) error { return nil }
	return compared(r, noopCalls, "policies alone", "failsafe-go", true, [3]way{
		{"Muster", func(ctx context.Context) error { return target.Do(ctx, true, nothing) }},
		{"failsafe-go", func(ctx context.Context) error {
			return within(ctx, func(ctx context.Context) error {
				return executor.WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error { return nothing(e.Context()) })
			})
		}},
		{"bare", nothing},
	})
}

// pickFigures measures how an instance is chosen among many.
func pickFigures(r *report) func(context.Context, int) error {
	nanos := r.Add(&figures.Figure{What: fmt.Sprintf("choosing one of %d instances that are there for a minute", pickFrom), Unit: "ns", Target: "<= 500", Holds: func(v float64) bool { return v <= 500 }})
	allocs := r.Add(&figures.Figure{What: fmt.Sprintf("choosing one of %d instances that are there for a minute", pickFrom), Unit: "allocations", Target: "0", Holds: func(v float64) bool { return v < 0.01 }})
	set, now := balance.New(balance.Config{}), time.Now()
	members := make([]*balance.Endpoint, pickFrom)
	for i := range members {
		members[i] = balance.NewEndpoint(fmt.Sprint("catalog-", i))
	}
	set.Replace(now, members)
	now = now.Add(time.Minute)  // none is new any more
	for i, m := range members { // they answer differently fast, and each has some calls
		for range i % 4 {
			m.Begin()
		}
		m.Observe(now, time.Duration(i+1)*time.Millisecond, balance.OK)
	}
	all, turn := set.All(), uint64(0)
	return func(ctx context.Context, _ int) error {
		s, err := r.use(ctx, noopCalls, func(context.Context) error {
			turn++
			now = now.Add(10 * time.Microsecond)
			if all.Pick(now, balance.Call{Turn: turn}) < 0 {
				return fmt.Errorf("none of %d instances was chosen", pickFrom)
			}
			return nil
		})
		nanos.Put(s.nanos)
		allocs.Put(s.allocs)
		return err
	}
}
