package spans_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type later struct{ time.Duration }

func (later) Error() string               { return "503 Service Unavailable" }
func (l later) RetryAfter() time.Duration { return l.Duration }

// A backend that asks to be left alone is, though not for ever.
func TestABackendIsLeftAloneWhenItAsks(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{20 * time.Second: 20 * time.Second, time.Hour: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			b := &backend{err: later{asked}}
			tracer, _, p := provider(t, b, nil)
			_, s := tracer.Start(called(true), "work")
			s.End()
			calls := func() int { b.mu.Lock(); defer b.mu.Unlock(); return b.calls }
			time.Sleep(time.Second)
			if n := calls(); n != 1 {
				t.Errorf("asked %d times in a second, want once", n)
			}
			time.Sleep(want - 2*time.Second)
			if n := calls(); n != 1 {
				t.Errorf("asked %d times before %s", n, want)
			}
			b.fails(errors.New("away"))
			time.Sleep(2 * time.Second)
			if n := calls(); n < 2 {
				t.Errorf("not asked again after %s", want)
			}
			b.fails(nil)
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
