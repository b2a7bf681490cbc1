package failsafe_test

import (
	"context"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/musterdev/muster/call/resilience"
)

// The same stack around a call that does nothing: deadline, retry within a budget,
// breaker over ten seconds, bulkhead. The difference to Bare is what a call pays.

func noop(context.Context) error { return nil }

func BenchmarkBare(b *testing.B) {
	ctx, call := b.Context(), noop
	b.ReportAllocs()
	for b.Loop() {
		if err := call(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func stack() *resilience.Target {
	return resilience.NewTarget(resilience.Settings{
		Timeout: 10 * time.Second, Breaker: &resilience.BreakerSettings{}, Bulkhead: &resilience.BulkheadSettings{Max: 100},
	})
}

func BenchmarkMuster(b *testing.B) {
	ctx, target := b.Context(), stack()
	b.ReportAllocs()
	for b.Loop() {
		if err := target.Do(ctx, true, noop); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMusterDefault is the default: deadline and retry within a budget.
func BenchmarkMusterDefault(b *testing.B) {
	ctx := b.Context()
	var target resilience.Target
	b.ReportAllocs()
	for b.Loop() {
		if err := target.Do(ctx, true, noop); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMusterWithinDeadline is the stack where the caller brings a nearer
// deadline, as every call made while serving another does.
func BenchmarkMusterWithinDeadline(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Second)
	defer cancel()
	target := stack()
	b.ReportAllocs()
	for b.Loop() {
		if err := target.Do(ctx, true, noop); err != nil {
			b.Fatal(err)
		}
	}
}

// watched is a call that waits for its context, as those of net/http and grpc-go do: a
// deadline's timer is then needed.
func watched(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	default:
		return nil
	}
}

// BenchmarkDeadline is what the deadline alone costs such a call.
func BenchmarkDeadline(b *testing.B) {
	parent := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(parent, 10*time.Second)
		if err := watched(ctx); err != nil {
			b.Fatal(err)
		}
		cancel()
	}
}

func BenchmarkMusterWatched(b *testing.B) {
	ctx, target := b.Context(), stack()
	b.ReportAllocs()
	for b.Loop() {
		if err := target.Do(ctx, true, watched); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFailsafeWatched(b *testing.B) {
	ctx, executor := b.Context(), failsafe.With(policies()...)
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		if err := executor.WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error { return watched(e.Context()) }); err != nil {
			b.Fatal(err)
		}
		cancel()
	}
}

func policies() []failsafe.Policy[any] {
	return []failsafe.Policy[any]{
		retrypolicy.NewBuilder[any]().WithMaxAttempts(3).WithBackoff(20*time.Millisecond, time.Second).
			WithBudget(budget.NewBuilder().WithMaxRate(.1).WithMinConcurrency(10).Build()).Build(),
		circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(.5, 20, 10*time.Second).WithDelay(5 * time.Second).WithSuccessThreshold(3).Build(),
		bulkhead.New[any](100),
	}
}

func BenchmarkFailsafe(b *testing.B) {
	ctx, executor := b.Context(), failsafe.With(policies()...)
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		if err := executor.WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error { return noop(e.Context()) }); err != nil {
			b.Fatal(err)
		}
		cancel()
	}
}

// BenchmarkFailsafeTimeout composes its own timeout policy in place of a context's deadline.
func BenchmarkFailsafeTimeout(b *testing.B) {
	executor := failsafe.With(append([]failsafe.Policy[any]{timeout.New[any](10 * time.Second)}, policies()...)...)
	b.ReportAllocs()
	for b.Loop() {
		if err := executor.RunWithExecution(func(e failsafe.Execution[any]) error { return noop(e.Context()) }); err != nil {
			b.Fatal(err)
		}
	}
}
