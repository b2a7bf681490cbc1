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

// A Remote step's context ends when its lease does, and no sooner.
func TestALeaseEndsTheStepUnlessItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := held.New()
		row := table.Row{Name: "x", ID: "1", Fence: 3}
		begun := time.Now()
		l := all.Add(row, begun)
		ctx, stop := l.Within(t.Context())
		defer stop()
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
