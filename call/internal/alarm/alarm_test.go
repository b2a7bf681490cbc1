package alarm_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/internal/alarm"
)

type bell struct{ rung atomic.Int64 }

func (b *bell) Ring() { b.rung.Add(1) }

func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s alarm.Alarms
		var first, second bell
		rung := func(what string, a, b int64) {
			t.Helper()
			synctest.Wait()
			if first.rung.Load() != a || second.rung.Load() != b {
				t.Errorf("%s: rung %d and %d times, want %d and %d", what, first.rung.Load(), second.rung.Load(), a, b)
			}
		}
		a := s.Set(&first, time.Second)
		time.Sleep(500 * time.Millisecond)
		a.Set(time.Second)
		time.Sleep(900 * time.Millisecond)
		rung("put off", 0, 0)
		time.Sleep(200 * time.Millisecond)
		rung("the time has come", 1, 0)
		s.Stop(a) // it has rung: it is not used again

		a = s.Set(&first, time.Second)
		s.Stop(a)
		time.Sleep(2 * time.Second)
		rung("stopped", 1, 0)

		s.Stop(s.Set(&first, time.Second))
		b := s.Set(&second, time.Second) // perhaps the same timer: it rings for the second only
		time.Sleep(2 * time.Second)
		rung("used again", 1, 1)
		s.Stop(b)
	})
}

// Alarms set and stopped by many ring for nobody, and those left for whom they were set.
func TestAlarmsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s alarm.Alarms
		bells := make([]bell, 200)
		for i := range bells {
			go func() {
				for range 20 {
					s.Stop(s.Set(&bells[i], time.Second))
				}
				if i%2 == 0 {
					s.Set(&bells[i], time.Second)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		for i := range bells {
			if want := int64(1 - i%2); bells[i].rung.Load() != want {
				t.Errorf("%d rang %d times, want %d", i, bells[i].rung.Load(), want)
			}
		}
	})
}
