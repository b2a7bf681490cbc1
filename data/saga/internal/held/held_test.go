package held_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/data/saga/internal/held"
	"github.com/musterdev/muster/data/saga/internal/table"
)

// A Remote step's context ends when its lease does, and no sooner, whether somebody waits for it or asks.
func TestALeaseEndsTheStepUnlessItIsRenewed(t *testing.T) {
	for name, begin := range map[string]func(context.Context){
		"waits": func(ctx context.Context) { _ = ctx.Done() },
		"asks":  func(context.Context) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := held.New()
				row := table.Row{Name: "x", ID: "1", Fence: 3}
				begun := time.Now()
				l := &held.Lease{}
				all.Add(l, &row, begun)
				ctx := l.Within(t.Context(), begun, time.Hour)
				defer ctx.End()
				begin(ctx)
				for range 5 {
					time.Sleep(time.Second)
					if lost := all.Renew(map[table.Key]int64{row.Key(): 3}, time.Now()); len(lost) > 0 {
						t.Error("lost what is held")
					}
				}
				for range 10 { // another has it: the beat does not find it, or with another fence
					time.Sleep(time.Second)
					all.Renew(map[table.Key]int64{row.Key(): 4}, time.Now())
					synctest.Wait() // for what happens at the same moment
					if ctx.Err() != nil {
						break
					}
				}
				if took := time.Since(begun); took != 5*time.Second+table.Lease || !errors.Is(context.Cause(ctx), table.ErrLost) {
					t.Errorf("ended after %s because of %v", took, context.Cause(ctx))
				}
			})
		})
	}
}

// A try's context is a context: those made from it end with it, and with its time.
func TestTheContextOfATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row := table.Row{Name: "x", ID: "1", Fence: 1}
		type key struct{}
		parent, cut := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		try := func(timeout time.Duration) *held.Scope {
			l := &held.Lease{}
			l.Comes(&row)
			l.Renew(time.Now())
			return l.Within(parent, time.Now(), timeout)
		}
		slow := try(time.Second)
		if at, ok := slow.Deadline(); !ok || time.Until(at) != time.Second || slow.Err() != nil || slow.Value(key{}) != "value" {
			t.Errorf("deadline %s, %v; value %v", at, slow.Err(), slow.Value(key{}))
		}
		child, stop := context.WithCancel(slow)
		defer stop()
		time.Sleep(time.Second)
		synctest.Wait()
		if !errors.Is(child.Err(), context.DeadlineExceeded) || slow.Value(key{}) != "value" {
			t.Error("after its time:", child.Err())
		}
		unasked := try(time.Second)
		time.Sleep(2 * time.Second)
		if !errors.Is(unasked.Err(), context.DeadlineExceeded) {
			t.Error("after its time, unasked:", unasked.Err())
		}
		ended, waited := try(time.Hour), try(time.Hour)
		done := waited.Done()
		ended.End()
		waited.End()
		<-done
		if !errors.Is(ended.Err(), context.Canceled) || !errors.Is(waited.Err(), context.Canceled) {
			t.Error("ended:", ended.Err(), waited.Err())
		}
		<-ended.Done()
		last, idle := try(time.Hour), try(time.Hour)
		done = last.Done()
		cut()
		<-done
		if !errors.Is(idle.Err(), context.Canceled) {
			t.Error("its parent ended:", idle.Err())
		}
		last.End()
	})
}

// A try that goes on after its time is told once.
func TestOverdue(t *testing.T) {
	all, l, row, begun := held.New(), &held.Lease{}, table.Row{Name: "x", ID: "1", Step: "a", Fence: 1}, time.Now()
	all.Add(l, &row, begun)
	for i, tc := range []struct {
		tries time.Duration
		after time.Duration
		told  int
	}{{time.Second, time.Second, 0}, {0, 3 * time.Second, 1}, {0, 4 * time.Second, 0}, {time.Minute, 5 * time.Second, 0}, {-1, time.Hour, 0}} {
		switch {
		case tc.tries > 0:
			l.Tries(tc.tries, begun)
		case tc.tries < 0:
			l.Tries(0, begun)
		}
		if told := all.Overdue(begun.Add(tc.after)); len(told) != tc.told || tc.told == 1 && (told[0].Step != "a" || told[0].Timeout != time.Second) {
			t.Errorf("%d: %+v", i, told)
		}
	}
}

func TestWhatNobodyWorksOnIsLetGoAtTheSecondBeat(t *testing.T) {
	l := held.New()
	k := table.Key{Name: "x", ID: "1"}
	for i, tc := range []struct {
		fence int64
		lost  int
	}{{1, 0}, {1, 1}, {1, 0}, {2, 0}, {2, 1}} {
		if lost := l.Renew(map[table.Key]int64{k: tc.fence}, time.Now()); len(lost) != tc.lost {
			t.Errorf("beat %d: %v", i+1, lost)
		}
	}
}
