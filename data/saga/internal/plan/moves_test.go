package plan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
)

func nothing(_ context.Context, _ tx.Tx, data []byte) ([]byte, error) { return data, nil }

// random is a definition that the lint accepts.
func random(r *rand.Rand) *Definition {
	d := &Definition{Name: "random", Version: 1}
	n := 1 + r.IntN(6)
	d.Pivot = r.IntN(n)
	for i := range n {
		s := Step{Name: fmt.Sprint("s", i), Do: nothing, Local: r.IntN(2) == 0, Pivot: i == d.Pivot}
		switch {
		case i < d.Pivot && r.IntN(4) > 0, i == d.Pivot && r.IntN(2) == 0:
			s.Undo = nothing
		case i < d.Pivot:
			s.NoUndo = true
		}
		d.Steps = append(d.Steps, s)
	}
	if r.IntN(2) == 0 {
		d.Completed = nothing
	}
	if r.IntN(2) == 0 {
		d.Compensated = nothing
	}
	return d
}

// Whatever its steps come to, a saga ends with all of them done, or with exactly those
// undone in reverse that were done before the refusal; nothing is undone after the
// pivot, and no doubtful step that has an Undo is left.
func TestEverySagaEndsDoneOrUndone(t *testing.T) {
	ended := map[table.State]int{}
	for seed := range uint64(20000) {
		r := rand.New(rand.NewPCG(seed, 0))
		d := random(r)
		if err := d.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		at := table.Row{State: table.Running, Step: d.Steps[0].Name}
		var done, undone []int
		doubt, last := -1, -1
		var story []string
		for range 200 {
			if at.Ended() {
				break
			}
			i := d.Find(at.Step)
			o := []Outcome{
				{Kind: Done, Sure: true},
				{Kind: Done, Sure: true},
				{Kind: Done, Sure: true},
				{Kind: Waits},
				{Kind: Retry, Sure: true},
				{Kind: Unknown},
				{Kind: Rejected, Sure: true, Text: "no"},
				{Kind: Fault},
				{Kind: Bug},
			}[r.IntN(9)]
			story = append(story, fmt.Sprint(at.State, " ", at.Step, " ", o.Kind))
			before := at
			switch {
			case o.Kind == Done:
				if i < len(d.Steps) {
					if at.Undoing {
						undone = append(undone, i)
					} else {
						done = append(done, i)
					}
				}
				at = d.Next(at)
			case o.Kind == Waits && at.Step != table.End:
				at = d.Rest(at)
			case o.Kind == Waits:
				continue
			default:
				at, _ = d.Fail(at, o)
			}
			if at.Undoing && !before.Undoing {
				last = len(done)
				if doubt = -1; before.Doubt {
					doubt = i
				}
			}
			if at.State == table.Paused { // a person has it tried again
				to := at.Fresh()
				to.State, to.Doubt = at.Active(), at.Doubt
				at = to
			}
			at.After = 0
		}
		story = append(story, fmt.Sprint(at.State))
		fail := func(what string) { t.Fatalf("seed %d: %s: %s", seed, what, strings.Join(story, ", ")) }
		ended[at.State]++
		switch at.State {
		case table.Completed:
			if len(done) != len(d.Steps) || len(undone) > 0 {
				fail("completed without all steps")
			}
		case table.Compensated:
			var want []int
			for i := range last {
				if d.Steps[i].Undo != nil {
					want = append(want, i)
				}
			}
			if doubt >= 0 && d.Steps[doubt].Undo != nil {
				want = append(want, doubt)
			}
			slices.Reverse(want)
			if !slices.Equal(undone, want) {
				fail(fmt.Sprintf("undone %v, want %v", undone, want))
			}
			if last > d.Pivot {
				fail("undone after the pivot")
			}
		}
	}
	if ended[table.Completed] < 2000 || ended[table.Compensated] < 2000 {
		t.Errorf("the seeds prove little: %v", ended)
	}
}

func TestPause(t *testing.T) {
	for n, most := range map[int]time.Duration{-1: 100 * time.Millisecond, 1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 8: 10 * time.Second, 1 << 40: 10 * time.Second} {
		seen := map[time.Duration]bool{}
		for range 50 {
			p := pause(n)
			if p < most/2 || p > most {
				t.Fatalf("attempt %d: %s, want %s to %s", n, p, most/2, most)
			}
			seen[p] = true
		}
		if len(seen) < 10 {
			t.Errorf("attempt %d: no jitter", n)
		}
	}
}

func TestFaultsPauseAndRetriesDoNot(t *testing.T) {
	d := &Definition{Steps: []Step{{Name: "a", Do: nothing}}}
	for _, kind := range []Kind{Retry, Unknown, Fault} {
		at := table.Row{State: table.Running, Step: "a"}
		for n := 1; n <= 50 && at.State == table.Running; n++ {
			at, _ = d.Fail(at, Outcome{Kind: kind, Text: "boom"})
			if at.Attempts != n || at.Err != "boom" {
				t.Fatalf("%s %d: %+v", kind, n, at)
			}
		}
		if paused := at.State == table.Paused; paused != (kind == Fault) || paused && at.Attempts != maxFaults {
			t.Errorf("%s: %s after %d attempts", kind, at.State, at.Attempts)
		}
	}
	at, _ := d.Fail(table.Row{State: table.Running, Step: "a"}, Outcome{Kind: Retry, After: time.Hour})
	if at.After != time.Hour {
		t.Errorf("after %s, want what was asked for", at.After)
	}
}

func TestAbandoned(t *testing.T) {
	d := &Definition{Steps: []Step{{Name: "local", Local: true}, {Name: "remote"}}}
	for step, want := range map[string]bool{"local": false, "remote": true, table.End: false, "gone": false} {
		if got := d.Settle(table.Row{Step: step, Abandoned: true}); got.Doubt != want || got.Abandoned {
			t.Errorf("%s: %+v", step, got)
		}
	}
}

// A definition that was changed without a new version pauses its sagas, and says so.
func TestWorkOfAChangedDefinition(t *testing.T) {
	d := &Definition{Name: "trip", Version: 1, Steps: []Step{{Name: "a", Do: nothing}}}
	for _, at := range []table.Row{{Step: "gone"}, {Step: "a", Undoing: true}} {
		if _, _, err := d.Work(at); err == nil || !strings.Contains(err.Error(), "raise the version") {
			t.Errorf("%+v: %v", at, err)
		}
	}
	if s, do, err := d.Work(table.Row{Step: "a"}); err != nil || do == nil || s.Timeout != DefaultTimeout {
		t.Errorf("a: %+v, %v", s, err)
	}
	if _, do, err := d.Work(table.Row{Step: table.End, Undoing: true}); err != nil || do == nil {
		t.Errorf("a hook that is gone: %v", err)
	}
}

func TestTheTenthLostHolderIsTheLast(t *testing.T) {
	for _, tc := range []struct {
		at   table.Row
		want string
	}{
		{table.Row{Step: "a"}, ""},
		{table.Row{Step: "a", Lost: 9}, ""},
		{table.Row{Step: "a", Lost: 10}, `in the middle of step "a":`},
		{table.Row{Step: "a", Lost: 10, Undoing: true}, `in the middle of the Undo of step "a":`},
		{table.Row{Step: table.End, Lost: 11, Undoing: true}, "its last 11 holders ended in the middle of the hook at the end:"},
	} {
		o, is := Lethal(tc.at)
		if is != (tc.want != "") || !strings.Contains(o.Text, tc.want) || is && o.Kind != Bug {
			t.Errorf("%+v: %v, %+v", tc.at, is, o)
		}
	}
}
