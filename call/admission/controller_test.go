package admission

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

func door(t *testing.T, cfg Config) *Controller {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reason(t *testing.T, err error) ShedReason {
	t.Helper()
	shed, ok := errors.AsType[*Shed](err)
	if !ok {
		t.Fatalf("%v is not a *Shed", err)
	}
	return shed.Reason
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{Min: -1}, {Max: -1}, {Slack: -1}, {Min: 5, Max: 4}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestAdmitWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := door(t, Config{Initial: 4})
		var slots []*Slot
		for range 4 {
			s, err := c.Admit(t.Context(), resilience.Normal)
			if err != nil {
				t.Fatal(err)
			}
			slots = append(slots, s)
		}
		var order []resilience.Priority
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, p := range []resilience.Priority{resilience.Low, resilience.Normal, resilience.Critical} {
			all.Go(func() {
				s, err := c.Admit(t.Context(), p)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, p)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				s.End(Done)
				s.End(Failed) // does nothing
			})
		}
		synctest.Wait()
		if got := c.Stats(); got.Waiting != 3 || got.InFlight != 4 {
			t.Errorf("%+v", got)
		}
		slots[0].End(Done)
		all.Wait()
		if len(order) != 3 || order[0] != resilience.Critical || order[2] != resilience.Low {
			t.Errorf("let in: %v", order)
		}
		for _, s := range slots {
			s.End(Done)
		}
		if got := c.Stats(); got.Waiting != 0 || got.InFlight != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAdmitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := door(t, Config{Initial: 4, Waiting: 1})
		for range 4 {
			if _, err := c.Admit(t.Context(), resilience.Normal); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		_, err := c.Admit(t.Context(), resilience.Normal)
		if got := reason(t, err); got != ShedWaited || time.Since(began) != 100*time.Millisecond {
			t.Errorf("%s after %s", got, time.Since(began))
		}

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = c.Admit(ctx, resilience.Normal)
		if got := reason(t, err); got != ShedTooLate {
			t.Errorf("at the deadline: %s", got)
		}
		if _, err = c.Admit(ctx, resilience.Normal); reason(t, err) != ShedTooLate {
			t.Errorf("after the deadline: %v", err)
		}

		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, leave)
		if _, err = c.Admit(ctx, resilience.Normal); reason(t, err) != ShedCallerGone {
			t.Errorf("gone: %v", err)
		}

		evicted := make(chan error, 1)
		go func() {
			_, err := c.Admit(t.Context(), resilience.Low)
			evicted <- err
		}()
		synctest.Wait()
		began = time.Now()
		if _, err = c.Admit(t.Context(), resilience.Low); reason(t, err) != ShedQueueFull {
			t.Errorf("full: %v", err)
		}
		_, err = c.Admit(t.Context(), resilience.Critical)
		if reason(t, err) != ShedWaited || time.Since(began) != time.Second {
			t.Errorf("critical: %v after %s", err, time.Since(began))
		}
		if reason(t, <-evicted) != ShedQueueFull {
			t.Error("the one that was there was not evicted")
		}
		s := c.Stats()
		if s.Waiting != 0 || s.InFlight != 4 || s.Shed[resilience.Low][ShedQueueFull] != 2 ||
			s.Shed[resilience.Normal] != [ShedReasons]uint64{0, 1, 2, 1} {
			t.Errorf("%+v", s)
		}
	})
}

func TestOffOnlyCounts(t *testing.T) {
	c := door(t, Config{Initial: 4, Off: true})
	for range 100 {
		if _, err := c.Admit(t.Context(), resilience.Low); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Stats(); got.InFlight != 100 {
		t.Errorf("%+v", got)
	}
}

// Slots are neither lost nor given twice, whoever comes and leaves at the same time.
func TestSlotsAddUp(t *testing.T) {
	c := door(t, Config{Initial: 8, Max: 8, Waiting: 20})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 300 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%7)*100*time.Microsecond+time.Microsecond)
				if s, err := c.Admit(ctx, resilience.Priority(i%4)); err == nil {
					if n%3 == 0 {
						<-ctx.Done()
					}
					s.End(Outcome(n % 3))
				}
				cancel()
			}
		})
	}
	all.Wait()
	s := c.Stats()
	var sum uint64
	for p := range s.Admitted {
		sum += s.Admitted[p]
		for _, n := range s.Shed[p] {
			sum += n
		}
	}
	if s.InFlight != 0 || s.Waiting != 0 || sum != 16*300 {
		t.Errorf("%d calls are accounted for: %+v", sum, s)
	}
}

func BenchmarkAdmit(b *testing.B) {
	c, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		s, err := c.Admit(ctx, resilience.Normal)
		if err != nil {
			b.Fatal(err)
		}
		s.End(Done)
	}
}

// A caller that has gone begins nothing, also where there is room.
func TestAdmitTakesNobodyWhoHasGone(t *testing.T) {
	c := door(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Admit(ctx, resilience.High); reason(t, err) != ShedCallerGone {
		t.Errorf("got %v", err)
	}
	if s := c.Stats(); s.InFlight != 0 || s.Shed[resilience.High][ShedCallerGone] != 1 {
		t.Errorf("%+v", s)
	}
}
