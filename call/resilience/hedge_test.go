package resilience_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

func TestTheQuantileIsNearTheTrueOne(t *testing.T) {
	for name, draw := range map[string]func(r *rand.Rand) float64{
		"uniform":     func(r *rand.Rand) float64 { return r.Float64() * 1e8 },
		"exponential": func(r *rand.Rand) float64 { return r.ExpFloat64() * 1e7 },
		"heavy tail":  func(r *rand.Rand) float64 { return 1e6 / math.Pow(1-r.Float64(), 1/1.5) },
		"constant":    func(*rand.Rand) float64 { return 5e6 },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				r := rand.New(rand.NewPCG(seed, 1))
				var h resilience.Hedge
				all := make([]float64, 2000)
				for i := range all {
					all[i] = draw(r)
					h.Observe(epoch, time.Duration(all[i]))
				}
				slices.Sort(all)
				want := all[len(all)*95/100]
				if got, ok := h.Delay(true); !ok || float64(got) < want*0.99 || float64(got) > want*1.07 {
					t.Errorf("seed %d: %s, want %s to 6 %% more", seed, got, time.Duration(want))
				}
			}
		})
	}
}

func TestNothingIsHedgedWithoutKnowing(t *testing.T) {
	var h resilience.Hedge
	for range 49 {
		h.Observe(epoch, 10*time.Millisecond)
	}
	if d, ok := h.Delay(true); ok {
		t.Errorf("49 calls were seen, and the delay is %s", d)
	}
	h.Observe(epoch, 10*time.Millisecond)
	if _, ok := h.Delay(true); !ok {
		t.Error("50 calls were seen, and none is hedged")
	}
	if _, ok := h.Delay(false); ok {
		t.Error("a call that is not idempotent is hedged")
	}
	h.Set(resilience.HedgeSettings{After: 3 * time.Second})
	if d, ok := h.Delay(true); !ok || d != 3*time.Second {
		t.Errorf("a fixed delay: %s, %v", d, ok)
	}
	var none *resilience.Hedge
	none.Observe(epoch, time.Second)
	if _, ok := none.Delay(true); ok {
		t.Error("a nil Hedge hedges")
	}
}

func TestAHedgeForgets(t *testing.T) {
	var h resilience.Hedge
	now := epoch
	feed := func(took, long time.Duration) {
		for end := now.Add(long); now.Before(end); now = now.Add(100 * time.Millisecond) {
			h.Observe(now, took)
		}
	}
	feed(time.Second, 30*time.Second)
	feed(10*time.Millisecond, 25*time.Second)
	if d, _ := h.Delay(true); d > 11*time.Millisecond {
		t.Errorf("after 25 s of fast calls the delay is still %s", d)
	}
	if s := h.Stats(); s.Samples > 220 || s.Samples < 100 {
		t.Errorf("looks back on %d samples of ten a second, want 10 to 20 s", s.Samples)
	}
}

func TestExtremesStayInBounds(t *testing.T) {
	h := resilience.NewHedge(resilience.HedgeSettings{Quantile: 0.5})
	for _, took := range []time.Duration{-time.Second, 0, math.MaxInt64} {
		for range 100 {
			h.Observe(epoch, took)
		}
	}
	if d, ok := h.Delay(true); !ok || d < time.Millisecond || d > 70*time.Second {
		t.Errorf("the delay is %s, %v", d, ok)
	}
}

// slow answers with its name after its time, unless it is cancelled.
func slow(ctx context.Context, took time.Duration, name string, err error) (string, error) {
	select {
	case <-time.After(took):
		return name, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func TestTheFirstAnswerWins(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		first, second       time.Duration
		firstErr, secondErr error
		denied              bool
		want                string
		err                 error
		after               time.Duration // how long it all takes
		hedged              bool
	}{
		"the first is quick":            {first: 5 * time.Millisecond, second: time.Millisecond, want: "first", after: 5 * time.Millisecond},
		"the second overtakes":          {first: time.Second, second: time.Millisecond, want: "second", after: 11 * time.Millisecond, hedged: true},
		"the first still comes first":   {first: 15 * time.Millisecond, second: time.Second, want: "first", after: 15 * time.Millisecond, hedged: true},
		"no budget":                     {first: time.Second, second: time.Millisecond, denied: true, want: "first", after: time.Second},
		"the first fails early":         {first: time.Millisecond, firstErr: broken, err: broken, after: time.Millisecond},
		"the first fails late":          {first: 12 * time.Millisecond, second: 20 * time.Millisecond, firstErr: broken, want: "second", after: 30 * time.Millisecond, hedged: true},
		"the second fails":              {first: 50 * time.Millisecond, second: time.Millisecond, secondErr: broken, want: "first", after: 50 * time.Millisecond, hedged: true},
		"both fail, the first error is": {first: 50 * time.Millisecond, second: time.Millisecond, firstErr: errors.New("other"), secondErr: broken, err: broken, after: 50 * time.Millisecond, hedged: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cancelled atomic.Int64
				race := resilience.Race[string]{After: 10 * time.Millisecond, Another: func() bool { return !test.denied }}
				began := time.Now()
				got, won, err := race.Do(t.Context(), func(ctx context.Context, second bool) (string, error) {
					took, name, err := test.first, "first", test.firstErr
					if second {
						took, name, err = test.second, "second", test.secondErr
					}
					got, err := slow(ctx, took, name, err)
					if errors.Is(err, context.Canceled) {
						cancelled.Add(1)
					}
					return got, err
				})
				if got != test.want && test.err == nil || !errors.Is(err, test.err) || time.Since(began) != test.after || won.Started != test.hedged {
					t.Errorf("%q, %v after %s, %+v", got, err, time.Since(began), won)
				}
				won.Release()
				synctest.Wait()
				if overtaken := test.hedged && err == nil && test.firstErr == nil && test.secondErr == nil; overtaken && cancelled.Load() != 1 {
					t.Errorf("%d losers were cancelled", cancelled.Load())
				}
			})
		})
	}
}

func TestALateAnswerIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var freed atomic.Value
		race := resilience.Race[string]{After: time.Millisecond, Discard: func(s string) { freed.Store(s) }}
		got, won, err := race.Do(t.Context(), func(_ context.Context, second bool) (string, error) {
			if second {
				return "second", nil
			}
			time.Sleep(time.Second) // one that does not look at its context
			return "first", nil
		})
		if got != "second" || err != nil || !won.Second {
			t.Fatalf("%q, %v, %+v", got, err, won)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if freed.Load() != "first" {
			t.Error("the late answer was not freed")
		}
		won.Release()
	})
}

func TestTheWinnersContextLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var winner context.Context
		_, won, err := resilience.Race[int]{}.Do(t.Context(), func(ctx context.Context, second bool) (int, error) {
			if second {
				winner = ctx //nolint:fatcontext // it is looked at when its call is over
				return 1, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if err != nil || winner.Err() != nil {
			t.Fatalf("%v; the winner's context: %v", err, winner.Err())
		}
		won.Release()
		if winner.Err() == nil {
			t.Error("released, and the context still lives")
		}
	})
}

func TestAFinalErrorEndsTheRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		race := resilience.Race[int]{After: time.Millisecond, Final: func(error) bool { return true }}
		began := time.Now()
		_, won, err := race.Do(t.Context(), func(ctx context.Context, second bool) (int, error) {
			if second {
				return 0, errors.New("no such thing")
			}
			<-ctx.Done()
			return 0, ctx.Err()
		})
		won.Release()
		if err == nil || time.Since(began) != time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestAPanicDoesNotEndTheProcess(t *testing.T) {
	_, won, err := resilience.Race[int]{}.Do(t.Context(), func(context.Context, bool) (int, error) { panic("oh") })
	won.Release()
	if err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("err = %v", err)
	}
}
