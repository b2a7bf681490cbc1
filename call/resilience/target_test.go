package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// told is an error that says what is known, as call.Failed does.
type told struct {
	resilience.Failure
	error
}

func TestWhatAnErrorTells(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		want resilience.Failure
	}{
		"it says so itself":         {t.Context(), fmt.Errorf("call: %w", told{resilience.Failure{Answered: true}, errors.New("x")}), resilience.Failure{Answered: true}},
		"anything":                  {t.Context(), errors.New("connection reset"), resilience.Failure{Sent: true}},
		"unavailable":               {t.Context(), errDown, resilience.Failure{Sent: true}},
		"the request is to blame":   {t.Context(), errNotFound, resilience.Failure{Sent: true, Answered: true}},
		"shed":                      {t.Context(), status.Error(codes.ResourceExhausted, "full"), resilience.Failure{Sent: true, Answered: true, Shed: true}},
		"the peer's own fault":      {t.Context(), problem.New(problem.Internal, "bug"), resilience.Failure{Sent: true, Answered: true}},
		"grpc, from peer or wire":   {t.Context(), status.Error(codes.Internal, "stream error"), resilience.Failure{Sent: true}},
		"the caller's time is over": {ended, errDown, resilience.Failure{Sent: true, Timeout: true}},
	} {
		if got := resilience.FailureOf(test.ctx, test.err); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestATargetRepeatsWithinItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var target resilience.Target
		attempts := 0
		for range 1000 {
			_ = target.Do(t.Context(), true, func(context.Context) error { attempts++; return errDown })
		}
		// 100 from the share, 10 from the floor, and what the pauses gave it back
		if attempts < 1100 || attempts > 1130 {
			t.Errorf("1000 calls to a target that is down made %d attempts", attempts)
		}
		if s := target.Stats(time.Now()); s.Budget.Denied < 800 || s.String() == "" {
			t.Errorf("stats %+v, %q", s, s)
		}
		attempts = 0
		_ = target.Do(t.Context(), false, func(context.Context) error { attempts++; return errDown })
		if attempts != 1 {
			t.Errorf("a call that is not idempotent was made %d times", attempts)
		}
	})
}

func TestATargetsPoliciesWorkTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := resilience.NewTarget(resilience.Settings{
			Timeout: time.Second, Retry: resilience.Retry{Attempts: 1},
			Breaker: &resilience.BreakerSettings{MinCalls: 5, Probes: 1}, Bulkhead: &resilience.BulkheadSettings{Max: 1},
		})
		began := time.Now()
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		if err := target.Do(t.Context(), true, hang); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Fatalf("%v after %s, want the timeout's second", err, time.Since(began))
		}
		err := target.Do(t.Context(), true, func(context.Context) error {
			return target.Do(t.Context(), true, hang)
		})
		if !errors.Is(err, resilience.ErrFull) {
			t.Fatalf("two at once where one is admitted: %v", err)
		}
		for range 3 {
			_ = target.Do(t.Context(), true, func(context.Context) error { return problem.New(problem.ResourceExhausted, "shed") })
		}
		if s := target.Breaker().Stats(time.Now()); s.Calls != 2 {
			t.Errorf("the breaker counted %d calls, want those two that were not shed", s.Calls)
		}
		for range 3 {
			_ = target.Do(t.Context(), true, func(context.Context) error { return errDown })
		}
		err = target.Do(t.Context(), true, func(context.Context) error { return nil })
		if !errors.Is(err, resilience.ErrOpen) {
			t.Fatalf("five failures: %v, want ErrOpen", err)
		}
		if s := target.Stats(time.Now()); s.Breaker.State != resilience.Open || s.Breaker.Calls != 5 || s.String() != "breaker open, 5s left" {
			t.Errorf("%+v %q", s.Breaker, s)
		}
		target.Set(resilience.Settings{Breaker: &resilience.BreakerSettings{FailOpen: true}})
		if err := target.Do(t.Context(), true, func(context.Context) error { return nil }); err != nil || target.Bulkhead() != nil {
			t.Errorf("fail-open: %v", err)
		}
		target.Set(resilience.Settings{})
		if target.Breaker() != nil {
			t.Error("the breaker is still there")
		}
	})
}

func TestABreakerThatOpensBetweenAttemptsTellsBoth(t *testing.T) {
	target := resilience.NewTarget(resilience.Settings{Breaker: &resilience.BreakerSettings{MinCalls: 1}})
	err := target.Do(t.Context(), true, func(context.Context) error { return errDown })
	if !errors.Is(err, resilience.ErrOpen) || !errors.Is(err, errDown) {
		t.Errorf("err = %v", err)
	}
}

func TestAPanicGivesEverythingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := resilience.NewTarget(resilience.Settings{
			Breaker: &resilience.BreakerSettings{MinCalls: 1, Probes: 1}, Bulkhead: &resilience.BulkheadSettings{Max: 1},
		})
		_ = target.Do(t.Context(), false, func(context.Context) error { return errDown })
		time.Sleep(5 * time.Second) // until it is tried again
		func() {
			defer func() { _ = recover() }()
			_ = target.Do(t.Context(), false, func(context.Context) error { panic("oh") })
		}()
		if err := target.Do(t.Context(), false, func(context.Context) error { return nil }); err != nil {
			t.Errorf("after a panic: %v", err)
		}
	})
}

// The target's own deadline behaves as one of package context does.
func TestTheDeadlineOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := resilience.NewTarget(resilience.Settings{Timeout: time.Second, Retry: resilience.Retry{Attempts: 1}})
		type key struct{}
		parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
		defer cancel()
		var kept context.Context
		err := target.Do(parent, true, func(ctx context.Context) error {
			kept = ctx //nolint:fatcontext // it is looked at when its call is over
			if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Second || ctx.Err() != nil || ctx.Value(key{}) != "v" {
				t.Errorf("deadline %s, %v, err %v, value %v", at, ok, ctx.Err(), ctx.Value(key{}))
			}
			before := runtime.NumGoroutine()
			child, end := context.WithCancel(ctx)
			defer end()
			if child.Value(key{}) != "v" || runtime.NumGoroutine() != before {
				t.Error("a child costs a goroutine")
			}
			time.Sleep(time.Second)
			<-child.Done()
			return child.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		_ = target.Do(parent, true, func(ctx context.Context) error {
			time.Sleep(time.Second) // nobody waits for this one
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("past its time and not waited for: %v", ctx.Err())
			}
			<-ctx.Done()
			return nil
		})
		_ = target.Do(parent, true, func(ctx context.Context) error {
			kept = ctx //nolint:fatcontext // it is looked at when its call is over
			return nil
		})
		if !errors.Is(kept.Err(), context.Canceled) {
			t.Errorf("after the call: %v", kept.Err())
		}
		<-kept.Done()
		_ = target.Do(parent, true, func(ctx context.Context) error {
			cancel()
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Errorf("the parent ended: %v", ctx.Err())
			}
			return nil
		})
	})
}

// A route of a service has the service's budget, breaker and bulkhead for as long as
// nothing else is said for it, whatever changes meanwhile.
func TestARouteSharesWhatItsServiceHas(t *testing.T) {
	base := resilience.Settings{
		Breaker: &resilience.BreakerSettings{MinCalls: 1}, Bulkhead: &resilience.BulkheadSettings{Max: 2},
		Hedge: &resilience.HedgeSettings{},
	}
	service, route := resilience.NewTarget(base), &resilience.Target{}
	same := func(what string, budget, breaker, bulkhead bool) {
		t.Helper()
		if (route.Budget() == service.Budget()) != budget || (route.Breaker() == service.Breaker()) != breaker || (route.Bulkhead() == service.Bulkhead()) != bulkhead {
			t.Errorf("%s: shared are budget %v, breaker %v, bulkhead %v", what, route.Budget() == service.Budget(),
				route.Breaker() == service.Breaker(), route.Bulkhead() == service.Bulkhead())
		}
	}
	quick := base.Clone()
	quick.Timeout = time.Second
	route.SetWithin(quick, service)
	same("another timeout", true, true, true)
	if route.Hedge() == service.Hedge() {
		t.Error("how long calls take is each route's own")
	}
	if s := route.Stats(time.Now()); s.Breaker != nil || s.Bulkhead != nil {
		t.Errorf("the service's are told twice: %+v", s)
	}
	own := quick.Clone()
	own.Breaker.Open, own.Budget = time.Minute, resilience.BudgetSettings{Floor: 1}
	route.SetWithin(own, service)
	same("a breaker and a budget of its own", false, false, true)
	mine := route.Breaker()
	if s := route.Stats(time.Now()); s.Breaker == nil || s.Bulkhead != nil {
		t.Errorf("%+v", s)
	}
	own.Breaker.Open = time.Hour
	route.SetWithin(own, service)
	if route.Breaker() != mine {
		t.Error("a change of its own breaker's settings lost what it has counted")
	}
	service.Set(resilience.Settings{})
	without := resilience.Settings{Breaker: base.Breaker, Bulkhead: base.Bulkhead, Budget: own.Budget}
	held := route.Bulkhead()
	route.SetWithin(without, service)
	if route.Breaker() != mine || route.Bulkhead() == nil || route.Bulkhead() == held {
		t.Error("the service has none any more: the route keeps its own breaker, and begins a bulkhead")
	}
	route.SetWithin(resilience.Settings{}, service)
	same("nothing", true, true, true)
	if err := route.Do(t.Context(), true, func(context.Context) error { return nil }); err != nil || service.Budget().Stats(time.Now()).Calls != 1 {
		t.Errorf("%v; the service's budget counts %d", err, service.Budget().Stats(time.Now()).Calls)
	}
}

// A call that waits for a place is not slow for that.
func TestWaitingForAPlaceIsNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := resilience.NewTarget(resilience.Settings{
			Timeout: time.Minute, Bulkhead: &resilience.BulkheadSettings{Max: 1, Queue: 100},
			Breaker: &resilience.BreakerSettings{SlowCalls: 0.5, SlowAfter: 300 * time.Millisecond, MinCalls: 5},
		})
		for range 50 {
			go func() {
				if err := target.Do(t.Context(), true, func(context.Context) error { time.Sleep(20 * time.Millisecond); return nil }); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(10 * time.Second)
		if b := target.Stats(time.Now()).Breaker; b.State != resilience.Closed || b.Slow != 0 {
			t.Errorf("every call took 20 ms: %+v", b)
		}
	})
}

func TestOnlyConnectionsAreBounded(t *testing.T) {
	target := resilience.NewTarget(resilience.Settings{Bulkhead: &resilience.BulkheadSettings{Connections: 2}})
	if target.Bulkhead() != nil {
		t.Errorf("a bound of connections brought %+v", target.Bulkhead().Stats())
	}
	target.Set(resilience.Settings{Bulkhead: &resilience.BulkheadSettings{Connections: 2, Queue: 1}})
	if b := target.Bulkhead(); b == nil || b.Stats().Max != 100 {
		t.Errorf("a queue, and no places: %+v", b)
	}
}

// A context that something ended because the time was up blames the target; one that was
// given up does not.
func TestWhatAnEndOfTheContextSays(t *testing.T) {
	for name, test := range map[string]struct {
		cause error
		want  bool
	}{
		"given up":                {context.Canceled, true},
		"another part failed":     {errDown, true},
		"no answer came in time":  {context.DeadlineExceeded, false},
		"the same, said in words": {fmt.Errorf("silent: %w", context.DeadlineExceeded), false},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(test.cause)
		if got := resilience.Neutral(ctx, ctx.Err()); got != test.want {
			t.Errorf("%s: neutral is %v", name, got)
		}
	}
}
