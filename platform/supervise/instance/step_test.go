package instance

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var policy = Policy{
	StartWithin: 30 * time.Second, UnreadyAfter: 3, DeadAfter: 3,
	AtOnceAfter: 10 * time.Second, BackoffFirst: 200 * time.Millisecond, BackoffMost: 30 * time.Second, BackoffReset: time.Minute,
	DrainWithin: 30 * time.Second, Grace: 10 * time.Second,
}

// clock plays an instance in a time of its own.
type clock struct {
	t   *testing.T
	now time.Time
	s   State
}

func newClock(t *testing.T, trial bool) *clock {
	now := time.Unix(1000, 0)
	return &clock{t: t, now: now, s: first(trial, now)}
}

// then tells step something and demands a phase and actions.
func (c *clock) then(e input, phase Phase, want ...action) {
	c.t.Helper()
	var got []action
	c.s, got = step(c.s, e, c.now, policy)
	if c.s.Phase != phase || !slices.Equal(got, want) {
		c.t.Fatalf("after %T%+v: %s %v, want %s %v", e, e, c.s.Phase, got, phase, want)
	}
}

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func (c *clock) yes() probed { return probed{life: c.s.Life, ready: true} }
func (c *clock) no() probed  { return probed{life: c.s.Life} }

// ready brings an instance to readiness.
func (c *clock) ready() {
	c.t.Helper()
	c.then(tick{}, Starting, launch)
	c.then(c.no(), Starting)
	c.then(c.yes(), Ready, announce)
}

func TestFromStartToDrainedEnd(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	c.then(drain{}, Draining, announce, quiesce)
	c.then(drained{life: 7}, Draining) // of somebody else's time
	c.then(drained{life: 1}, Stopping, terminate)
	c.pass(policy.Grace - 1)
	c.then(tick{}, Stopping)
	c.pass(1)
	c.then(tick{}, Stopping, kill)
	c.then(died{signal: true}, Stopped, withdraw)
	for _, e := range []input{tick{}, c.yes(), stop{}, drain{}, died{}, settle{}} {
		c.then(e, Stopped)
	}
}

func TestDrainThatNeverEndsIsBounded(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	c.then(drain{}, Draining, announce, quiesce)
	c.pass(policy.DrainWithin)
	c.then(tick{}, Stopping, terminate)
	c.then(drained{life: 1}, Stopping)
	c.then(died{}, Stopped, withdraw)
}

func TestDeathOnTrialIsFinal(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*clock)
		final  Phase
	}{
		"before ready": {func(c *clock) { c.then(tick{}, Starting, launch) }, Failed},
		"after ready":  {func(c *clock) { c.ready() }, Failed},
		"settled":      {func(c *clock) { c.ready(); c.then(settle{}, Ready) }, Backoff},
	} {
		t.Run(name, func(t *testing.T) {
			k := newClock(t, true)
			c.before(k)
			k.then(died{}, c.final, withdraw)
		})
	}
}

func TestStartTimeoutKills(t *testing.T) {
	c := newClock(t, true)
	c.then(tick{}, Starting, launch)
	c.pass(policy.StartWithin)
	c.then(tick{}, Starting, kill)
	c.then(c.yes(), Starting) // too late
	if c.s.Overdue != "was not ready within 30s" {
		t.Errorf("Overdue = %q", c.s.Overdue)
	}
	c.then(died{signal: true}, Failed, withdraw)
}

func TestRestartAtOnce(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	c.then(died{signal: true}, Starting, withdraw, launch) // killed, right after it was ready
	c.then(c.yes(), Ready, announce)
	c.then(died{signal: true}, Starting, withdraw, launch) // and again: a drill kills as often as it likes
	c.then(c.yes(), Ready, announce)
	c.pass(policy.AtOnceAfter)
	c.then(died{}, Starting, withdraw, launch) // by itself, after a good while
	c.then(c.yes(), Ready, announce)
	c.pass(policy.AtOnceAfter - 1)
	c.then(died{}, Backoff, withdraw) // by itself, too soon
}

func TestCrashBeforeReadyDoesNotSpin(t *testing.T) {
	c := newClock(t, false)
	c.then(tick{}, Starting, launch)
	c.then(died{signal: true}, Starting, withdraw, launch)
	c.then(died{signal: true}, Backoff, withdraw)
}

func TestBackoffDoublesAndIsForgotten(t *testing.T) {
	c := newClock(t, false)
	c.then(tick{}, Starting, launch)
	want := policy.BackoffFirst
	for range 12 {
		c.then(died{}, Backoff, withdraw)
		if pause := c.s.Wake.Sub(c.now); pause != want {
			t.Fatalf("pause = %v, want %v", pause, want)
		}
		want = min(2*want, policy.BackoffMost)
		c.pass(c.s.Wake.Sub(c.now) - 1)
		c.then(tick{}, Backoff)
		c.pass(1)
		c.then(tick{}, Starting, launch)
	}
	c.then(c.yes(), Ready, announce)
	c.pass(policy.BackoffReset)
	c.then(died{}, Starting, withdraw, launch)
	c.then(died{}, Backoff, withdraw)
	if pause := c.s.Wake.Sub(c.now); pause != policy.BackoffFirst {
		t.Errorf("after a good life the pause is %v", pause)
	}
}

func TestPauseIsWithinItsBounds(t *testing.T) {
	for failures := range 100 {
		for range 50 {
			p := policy.pause(failures, rand.Float64())
			full := policy.pause(failures, 0)
			if p > full || p < full*3/4 || full > policy.BackoffMost || full < policy.BackoffFirst {
				t.Fatalf("pause(%d) = %v of %v", failures, p, full)
			}
		}
	}
}

func TestUnreadyAndBack(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	c.then(c.no(), Ready)
	c.then(c.no(), Ready)
	c.then(c.yes(), Ready)
	c.then(c.no(), Ready)
	c.then(c.no(), Ready)
	c.then(c.no(), Unready, announce)
	c.then(c.no(), Unready)
	c.then(c.yes(), Ready, announce)
}

func TestLivenessKills(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	no, yes := lived{life: 1}, lived{life: 1, alive: true}
	c.then(no, Ready)
	c.then(no, Ready)
	c.then(yes, Ready)
	c.then(no, Ready)
	c.then(no, Ready)
	c.then(no, Ready, kill)
	c.then(no, Ready)
	c.then(died{signal: true}, Backoff, withdraw) // our own signal is no accident
}

func TestCrashThatStaysAway(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	c.then(crash{away: 20 * time.Second}, Ready, kill)
	c.then(died{signal: true}, Backoff, withdraw)
	c.pass(20*time.Second - 1)
	c.then(tick{}, Backoff)
	c.pass(1)
	c.then(tick{}, Starting, launch)
	c.then(c.yes(), Ready, announce)
	c.then(crash{}, Ready, kill)
	c.then(died{signal: true}, Starting, withdraw, launch) // an accident as any other
}

func TestAnswersOfAnEarlierLifeDoNotCount(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	stale := c.yes()
	c.then(died{signal: true}, Starting, withdraw, launch)
	c.then(stale, Starting)
	c.then(lived{life: 1}, Starting)
}

func TestStopFromEveryPhase(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*clock)
		phase  Phase
		want   []action
	}{
		"new":      {func(*clock) {}, Stopped, nil},
		"starting": {func(c *clock) { c.then(tick{}, Starting, launch) }, Stopping, []action{terminate}},
		"ready":    {func(c *clock) { c.ready() }, Stopping, []action{terminate}},
		"backoff": {func(c *clock) {
			c.ready()
			c.then(died{}, Backoff, withdraw)
		}, Stopped, nil},
		"draining": {func(c *clock) {
			c.ready()
			c.then(drain{}, Draining, announce, quiesce)
		}, Stopping, []action{terminate}},
		"stopping": {func(c *clock) {
			c.ready()
			c.then(stop{}, Stopping, terminate)
		}, Stopping, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := newClock(t, false)
			c.before(k)
			k.then(stop{}, c.phase, c.want...)
		})
	}
}

// TestAnyOrderOfInputs plays random inputs and checks what must hold always.
func TestAnyOrderOfInputs(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		c := newClock(t, seed%3 == 0)
		running, ordered := false, false // what a runner would see
		for range 200 {
			var e input
			switch random.IntN(10) {
			case 0:
				if !running {
					continue // nobody is there to die
				}
				e, running = died{signal: random.IntN(2) == 0, jitter: random.Float64()}, false
			case 1, 2:
				e = probed{life: c.s.Life - random.IntN(2), ready: random.IntN(2) == 0}
			case 3:
				e = lived{life: c.s.Life, alive: random.IntN(2) == 0}
			case 4:
				e = settle{}
			case 5:
				e = drained{life: c.s.Life}
			case 7:
				e = crash{away: time.Duration(random.IntN(2)) * time.Minute}
			case 6:
				if random.IntN(20) > 0 {
					continue
				}
				e, ordered = []input{stop{}, drain{}}[random.IntN(2)], true
			default:
				if !c.s.Wake.IsZero() && random.IntN(2) == 0 {
					c.now = c.s.Wake
				}
				e = tick{}
			}
			c.pass(time.Duration(random.IntN(1000)) * time.Millisecond)
			before := c.s
			after, actions := step(before, e, c.now, policy)
			c.s = after
			for _, a := range actions {
				switch {
				case a == launch && running:
					t.Fatalf("seed %d: %T starts a second process in %+v", seed, e, before)
				case a == launch && ordered:
					t.Fatalf("seed %d: %T starts a process after the order to end", seed, e)
				case (a == terminate || a == kill) && !running:
					t.Fatalf("seed %d: %T signals nobody in %+v", seed, e, before)
				}
				running = running || a == launch
			}
			switch {
			case after.Phase.Final() && running:
				t.Fatalf("seed %d: %s with a living process", seed, after.Phase)
			case !after.Phase.Final() && !running && (after.Phase != Backoff || after.Wake.IsZero()):
				t.Fatalf("seed %d: %s with no process and nothing to wait for", seed, after.Phase)
			case after.Phase == Failed && !before.Trial && before.Phase != Failed:
				t.Fatalf("seed %d: failed, not on trial", seed)
			}
		}
	}
}

// A process whose place was taken ends by itself, and is not started again; one that
// outstays its bound is told to end.
func TestPlaceTaken(t *testing.T) {
	c := newClock(t, false)
	c.ready()
	c.then(follows{true}, Ready)
	c.then(died{}, Stopped, withdraw) // it was quick

	c = newClock(t, false)
	c.ready()
	c.then(follows{true}, Ready)
	c.then(died{signal: true}, Starting, withdraw, launch) // an accident is one still

	c = newClock(t, false)
	c.ready()
	c.then(follows{true}, Ready)
	c.then(follows{false}, Ready) // the other process gave up
	c.pass(policy.AtOnceAfter)
	c.then(died{}, Starting, withdraw, launch)

	c = newClock(t, false)
	c.ready()
	c.then(follows{true}, Ready)
	c.then(leave{within: time.Minute}, Draining)
	for range 2 * policy.DeadAfter { // the probes ask the other one
		c.then(lived{life: 1}, Draining)
		c.then(c.no(), Draining)
	}
	c.pass(time.Minute - 1)
	c.then(tick{}, Draining)
	c.then(died{}, Stopped, withdraw)

	c = newClock(t, false)
	c.ready()
	c.then(leave{within: time.Minute}, Draining)
	c.pass(time.Minute)
	c.then(tick{}, Stopping, terminate)
	c.then(died{}, Stopped, withdraw)
}
