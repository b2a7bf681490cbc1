package failsafe_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/fallback"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

var errDown = problem.New(problem.Unavailable, "down")

// outcome is how one caller of a bulkhead fared.
type outcome struct {
	err string
	at  time.Duration
}

// Random callers, some with little patience, at a bulkhead of each kind: who gets in,
// when, and who is refused, must be the same.
func TestBulkheads(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 4))
			most, wait := 1+r.IntN(4), time.Duration(r.IntN(30))*time.Millisecond
			s := resilience.BulkheadSettings{Max: most, Wait: wait}
			if wait > 0 {
				s.Queue = 1000 // theirs has no bound
			}
			ours := resilience.NewBulkhead(s)
			theirs := bulkhead.NewBuilder[any](uint(most)).Build()
			// no two things at the very same time: their order would be open
			span := func(of int) time.Duration { return time.Duration(r.Int64N(int64(of)*1e6)) + 1 }
			type caller struct{ start, hold, patience time.Duration }
			callers := make([]caller, 200)
			for i := range callers {
				callers[i] = caller{span(400), span(15), span(60)}
			}
			run := func(acquire func(context.Context) error, release func()) []outcome {
				out, began := make([]outcome, len(callers)), time.Now()
				done := make(chan int)
				for i, c := range callers {
					go func() {
						defer func() { done <- i }()
						time.Sleep(c.start)
						ctx, cancel := context.WithTimeout(context.Background(), c.patience)
						defer cancel()
						err := acquire(ctx)
						out[i] = outcome{word(err), time.Since(began)}
						if err == nil {
							time.Sleep(c.hold)
							release()
						}
					}()
				}
				for range callers {
					<-done
				}
				return out
			}
			a := run(ours.Acquire, ours.Release)
			b := run(func(ctx context.Context) error { return theirs.AcquirePermitWithMaxWait(ctx, wait) }, theirs.ReleasePermit)
			refused := 0
			for i := range a {
				if a[i] != b[i] {
					t.Fatalf("seed %d, %d at once, wait %s: caller %d: ours %+v, theirs %+v", seed, most, wait, i, a[i], b[i])
				}
				if a[i].err != "" {
					refused++
				}
			}
			if st := ours.Stats(); st.InFlight != 0 || st.Waiting != 0 {
				t.Errorf("seed %d: %+v is left", seed, st)
			}
		})
	}
}

// word names an error alike for both.
func word(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, resilience.ErrFull), errors.Is(err, bulkhead.ErrFull):
		return "full"
	}
	return err.Error()
}

// How often a call is made that fails a number of times, and how it ends.
func TestRetries(t *testing.T) {
	for attempts := 1; attempts <= 5; attempts++ {
		for failures := range 7 {
			for _, pause := range []time.Duration{0, 10 * time.Millisecond} {
				synctest.Test(t, func(t *testing.T) {
					target := resilience.NewTarget(resilience.Settings{Retry: resilience.Retry{Attempts: attempts, Backoff: cmp.Or(pause, -1)}, Timeout: time.Hour})
					b := retrypolicy.NewBuilder[any]().WithMaxAttempts(attempts).ReturnLastFailure()
					if pause > 0 {
						b = b.WithBackoff(pause, 16*pause)
					}
					theirs := failsafe.With(b.Build())
					var n [2]int
					fails := func(i int) error {
						if n[i]++; n[i] <= failures {
							return errDown
						}
						return nil
					}
					began := time.Now()
					err := target.Do(t.Context(), true, func(context.Context) error { return fails(0) })
					took := time.Since(began)
					began = time.Now()
					want := theirs.Run(func() error { return fails(1) })
					if n[0] != n[1] || !errors.Is(err, want) || took > time.Since(began) {
						t.Errorf("%d attempts, %d failures: ours %d made, %v after %s; theirs %d, %v after %s", attempts, failures, n[0], err, took, n[1], want, time.Since(began))
					}
				})
			}
		}
	}
}

// The cases of failsafe-go's hedgepolicy_test, and random ones: two attempts with
// given latencies and a delay end with the same answer at the same time.
func TestHedges(t *testing.T) {
	type attempts struct {
		delay, first, second time.Duration
		denied               bool
	}
	cases := []attempts{
		{delay: time.Second}, // the delay is not passed
		{delay: 10 * time.Millisecond, first: 100 * time.Millisecond, second: 0},
		{delay: 20 * time.Millisecond, first: 100 * time.Millisecond, second: 100 * time.Millisecond}, // all are used, the first wins
		{delay: 0, first: 5 * time.Millisecond, second: time.Millisecond},                             // a backup at once
		{delay: 10 * time.Millisecond, first: 100 * time.Millisecond, denied: true},
	}
	r := rand.New(rand.NewPCG(1, 7))
	span := func() time.Duration { return time.Duration(r.Int64N(100e6)) + 1 }
	for range 300 {
		cases = append(cases, attempts{span(), span(), span(), r.IntN(4) == 0})
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			attempt := func(ctx context.Context, second bool) (int, error) {
				took, number := c.first, 1
				if second {
					took, number = c.second, 2
				}
				select {
				case <-time.After(took):
					return number, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
			began := time.Now()
			ours, won, err := resilience.Race[int]{After: c.delay, Another: func() bool { return !c.denied }}.Do(t.Context(), attempt)
			won.Release()
			took := time.Since(began)
			most := 1
			if c.denied {
				most = 0
			}
			began, hedges := time.Now(), 0
			policy := hedgepolicy.NewBuilderWithDelay[int](c.delay).WithMaxHedges(most).
				OnHedge(func(failsafe.ExecutionEvent[int]) { hedges++ }).Build()
			theirs, theirErr := failsafe.With[int](policy).WithContext(t.Context()).GetWithExecution(func(e failsafe.Execution[int]) (int, error) {
				return attempt(e.Context(), e.IsHedge())
			})
			synctest.Wait()
			if ours != theirs || err != nil || theirErr != nil || took != time.Since(began) || won.Started != (hedges == 1) {
				t.Errorf("%+v: ours %d, %v after %s, %+v; theirs %d, %v after %s, %d hedges", c, ours, err, took, won, theirs, theirErr, time.Since(began), hedges)
			}
		})
	}
}

// The 95th percentile that starts a hedge: both are near the true one, so theirs, which
// moves with every sample, is asked for by its behaviour.
func TestHedgesLearn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		var hedge resilience.Hedge
		hedges := 0
		policy := hedgepolicy.NewBuilderWithDelayQuantile[int](0.95, 200, 50).OnHedge(func(failsafe.ExecutionEvent[int]) { hedges++ }).Build()
		ours, calls := 0, 2000
		for range calls {
			latency := time.Duration(r.ExpFloat64() * float64(10*time.Millisecond))
			if d, ok := hedge.Delay(true); ok && latency > d {
				ours++
			}
			hedge.Observe(time.Now(), latency)
			_, _ = failsafe.With[int](policy).GetWithExecution(func(failsafe.Execution[int]) (int, error) {
				time.Sleep(latency)
				return 0, nil
			})
		}
		synctest.Wait()
		t.Logf("of %d calls, ours would hedge %d, theirs %d; 5 %% are 100", calls, ours, hedges)
		if ours < 60 || ours > 130 || hedges < 40 {
			t.Error("the quantile is far from the 95th percentile")
		}
	})
}

// The cases of failsafe-go's fallback_test.
func TestFallbacks(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	value, other := 7, errors.New("other")
	for name, test := range map[string]struct {
		ctx    context.Context
		ours   *resilience.Fallback[int]
		theirs fallback.Fallback[int]
		err    error
	}{
		"with result":      {t.Context(), &resilience.Fallback[int]{Value: &value}, fallback.NewWithResult(7), errDown},
		"should not":       {t.Context(), &resilience.Fallback[int]{Value: &value}, fallback.NewWithResult(7), nil},
		"with a condition": {t.Context(), &resilience.Fallback[int]{Value: &value, When: func(err error) bool { return errors.Is(err, errDown) }}, fallback.NewBuilderWithResult(7).HandleErrors(errDown).Build(), other},
		"with func": {
			t.Context(), &resilience.Fallback[int]{Func: func(context.Context, error) (int, error) { return 8, nil }},
			fallback.NewWithFunc(func(failsafe.Execution[int]) (int, error) { return 8, nil }), errDown,
		},
		"cancelled": {cancelled, &resilience.Fallback[int]{Value: &value}, fallback.NewWithResult(7), context.Canceled},
	} {
		call := func() (int, error) { return 1, test.err }
		if test.err != nil {
			call = func() (int, error) { return 0, test.err }
		}
		a, err := test.ours.Do(test.ctx, "", func(context.Context) (int, error) { return call() })
		b, theirErr := failsafe.With[int](test.theirs).WithContext(test.ctx).Get(call)
		if a.Value != b || !errors.Is(err, theirErr) || (err == nil) != (theirErr == nil) {
			t.Errorf("%s: ours %d, %v; theirs %d, %v", name, a.Value, err, b, theirErr)
		}
	}
}
