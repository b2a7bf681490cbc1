package failsafe_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/musterdev/muster/call/resilience"
)

// pair is one breaker of each kind, told the same.
type pair struct {
	ours   *resilience.Breaker
	theirs circuitbreaker.CircuitBreaker[any]
	open   []permit
	era    int // counts their changes of state
}

type permit struct {
	ours resilience.Permit
	era  int
}

func (p *pair) states() (ours, theirs string) {
	return p.ours.Stats(time.Now()).State.String(), p.theirs.State().String()
}

// begin asks both for a permit; the verdicts must agree.
func (p *pair) begin() error {
	before := p.theirs.State()
	ours, err := p.ours.Allow(time.Now())
	theirs := p.theirs.TryAcquirePermit()
	if p.theirs.State() != before {
		p.era++
	}
	if theirs != (err == nil) {
		return fmt.Errorf("a permit while %s: ours %v, theirs %v", before, err == nil, theirs)
	}
	if theirs {
		p.open = append(p.open, permit{ours, p.era})
	}
	return p.agree()
}

// end ends the i-th call in flight.
func (p *pair) end(i int, failed bool) error {
	one := p.open[i]
	p.open = append(p.open[:i], p.open[i+1:]...)
	one.ours.Done(time.Now(), failed)
	if one.era == p.era { // else theirs would count it towards the present state
		before := p.theirs.State()
		if failed {
			p.theirs.RecordFailure()
		} else {
			p.theirs.RecordSuccess()
		}
		if p.theirs.State() != before {
			p.era++
		}
	}
	return p.agree()
}

func (p *pair) agree() error {
	if ours, theirs := p.states(); ours != theirs {
		return fmt.Errorf("ours is %s, theirs %s (%+v; theirs %d failed of %d)", ours, theirs, p.ours.Stats(time.Now()), p.theirs.Metrics().Failures(), p.theirs.Metrics().Executions())
	}
	return nil
}

// The cases of failsafe-go's closedstate_test, halfopenstate_test, openstate_test and
// test/circuitbreaker_test that mean something for a breaker over time. Events: "F" and
// "S" are a call that fails or succeeds, "x" one that is refused, "-" is a tenth of the
// window that passes, "." the open time. Behind each event stands the state after it,
// where the original asserts one: c, o, h.
func TestCasesOfFailsafe(t *testing.T) {
	const window, delay = time.Second, 2 * time.Second
	ratio := func(failures, of uint) circuitbreaker.Builder[any] {
		return circuitbreaker.NewBuilder[any]().WithFailureThresholdRatio(failures, of).WithDelay(delay)
	}
	rate := func(share float64, calls uint) circuitbreaker.Builder[any] {
		return circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(share, calls, window).WithDelay(delay)
	}
	for name, test := range map[string]struct {
		theirs circuitbreaker.Builder[any]
		ours   resilience.BreakerSettings
		events string
	}{
		"closed, default config":                 {ratio(1, 1), resilience.BreakerSettings{MinCalls: 1, Failures: 1, Probes: 1}, "Fo"},
		"closed, success with default config":    {ratio(1, 1), resilience.BreakerSettings{MinCalls: 1, Failures: 1, Probes: 1}, "Sc"},
		"closed, failure ratio is met":           {ratio(2, 3), resilience.BreakerSettings{MinCalls: 3, Failures: 2. / 3}, "FSc Fo"},
		"closed, failure ratio is not met":       {ratio(3, 4), resilience.BreakerSettings{MinCalls: 4, Failures: 0.75}, "SFc SFc SFc SFc SFc SFc SFc SFc"},
		"half-open, failure with default config": {ratio(1, 1), resilience.BreakerSettings{MinCalls: 1, Failures: 1, Probes: 1}, "Fo .Fo xo"},
		"half-open, success with default config": {ratio(1, 1), resilience.BreakerSettings{MinCalls: 1, Failures: 1, Probes: 1}, "Fo .Sc"},
		"half-open, failure with success threshold": {
			ratio(1, 1).WithSuccessThreshold(3),
			resilience.BreakerSettings{MinCalls: 1, Failures: 1, Probes: 3}, "Fo .Sh Fo xo .Fo",
		},
		"half-open, success with success threshold": {
			ratio(1, 1).WithSuccessThreshold(3),
			resilience.BreakerSettings{MinCalls: 1, Failures: 1, Probes: 3}, "Fo .Sh Sh Sc",
		},
		"half-open, both thresholds, the failure threshold is ignored": {
			ratio(2, 2).WithSuccessThreshold(3),
			resilience.BreakerSettings{MinCalls: 2, Failures: 1, Probes: 3}, "FFo .Sh Sh Fo .Sh Sh Sc",
		},
		"half-open, success threshold and failure ratio": {
			ratio(3, 5).WithSuccessThreshold(2),
			resilience.BreakerSettings{MinCalls: 3, Failures: 0.6, Probes: 2}, "FFFo .Sh Sc",
		},
		"over time, failures roll off": {
			rate(.5, 3).WithSuccessThreshold(2),
			resilience.BreakerSettings{MinCalls: 3, Failures: 0.5, Probes: 2},
			"FSc ---------- FSc --Sc Fo xo .Fo xo .Sh Sc",
		},
		"over time, too few calls": {
			rate(.5, 20).WithSuccessThreshold(1),
			resilience.BreakerSettings{MinCalls: 20, Failures: 0.5, Probes: 1}, "FFFFFFFFFFFFFFFFFFFc ----------Sc",
		},
		"over time, a success can tip the volume": {
			rate(.5, 4).WithSuccessThreshold(1),
			resilience.BreakerSettings{MinCalls: 4, Failures: 0.5, Probes: 1}, "FFSc So .Sc",
		},
		"what opened it is forgotten when it closes": {
			rate(.5, 4).WithSuccessThreshold(1),
			resilience.BreakerSettings{MinCalls: 4, Failures: 0.5, Probes: 1}, "FFFFo .Sc FFFc Fo",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.ours.Window, test.ours.Open = window, delay
				p := &pair{ours: resilience.NewBreaker(test.ours), theirs: test.theirs.Build()}
				for i, e := range test.events {
					var err error
					switch e {
					case 'F', 'S':
						if err = p.begin(); err == nil && len(p.open) == 1 {
							err = p.end(0, e == 'F')
						}
					case 'x':
						if err = p.begin(); err == nil && len(p.open) > 0 {
							err = fmt.Errorf("it was let through")
						}
					case '-':
						time.Sleep(window / 10)
					case '.':
						time.Sleep(delay)
					case 'c', 'o', 'h':
						want := map[rune]string{'c': "closed", 'o': "open", 'h': "half-open"}[e]
						if ours, _ := p.states(); ours != want {
							err = fmt.Errorf("%s, want %s", ours, want)
						}
					}
					if err != nil {
						t.Fatalf("after %q: %v", test.events[:i+1], err)
					}
				}
			})
		})
	}
}

// Random calls, overlapping and over time, on both.
func TestRandomSequences(t *testing.T) {
	changes, rounded := 0, 0
	for seed := range uint64(400) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			shares := []resilience.Share{0.1, 0.25, 0.5, 0.6, 0.75, 1}
			s := resilience.BreakerSettings{
				Window: time.Duration(1+r.IntN(10)) * time.Second, MinCalls: 1 + r.IntN(30), Failures: shares[r.IntN(len(shares))],
				Open: time.Duration(1+r.IntN(5000)) * time.Millisecond, Probes: 1 + r.IntN(4),
			}
			p := &pair{ours: resilience.NewBreaker(s), theirs: circuitbreaker.NewBuilder[any]().
				WithFailureRateThreshold(float64(s.Failures), uint(s.MinCalls), s.Window).
				WithDelay(s.Open).WithSuccessThreshold(uint(s.Probes)).Build()}
			bad := r.Float64()
			for step := range 1500 {
				var err error
				switch half := p.theirs.State() == circuitbreaker.HalfOpenState; {
				case r.IntN(200) == 0:
					bad = r.Float64()
				case r.IntN(3) == 0 && !half:
					time.Sleep(time.Duration(r.ExpFloat64() * float64(s.Window) / 40))
				case len(p.open) > 0 && r.IntN(2) == 0:
					err = p.end(r.IntN(len(p.open)), r.Float64() < bad)
				case half && int(p.theirs.Metrics().Successes())+p.current() >= s.Probes:
					if _, open := p.ours.Allow(time.Now()); open == nil { // theirs would let it through
						err = fmt.Errorf("more probes than are asked for")
					}
				default:
					err = p.begin()
				}
				if err != nil && p.rounding(s) {
					rounded++
					return
				}
				if err != nil {
					t.Fatalf("seed %d, step %d, %+v: %v", seed, step, s, err)
				}
			}
			changes += p.era
		})
	}
	t.Logf("400 sequences of 1500 steps: %d changes of state, %d sequences ended by rounding", changes, rounded)
	if changes < 1000 || rounded > 100 {
		t.Error("the sequences do not try much")
	}
}

// current counts the calls in flight that began under the present state.
func (p *pair) current() int {
	n := 0
	for _, o := range p.open {
		if o.era == p.era {
			n++
		}
	}
	return n
}

// rounding reports whether theirs opened for a rate that reaches the threshold only
// when rounded to a whole percent.
func (p *pair) rounding(s resilience.BreakerSettings) bool {
	st := p.ours.Stats(time.Now())
	rate := float64(st.Failed) / float64(st.Calls)
	return st.State == resilience.Closed && p.theirs.IsOpen() && rate < float64(s.Failures) && math.Round(rate*100)/100 >= float64(s.Failures)
}
