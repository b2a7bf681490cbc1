package hold

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

func row(id string) *table.Row { return &table.Row{Name: "trip", ID: id, Step: "pay"} }

func TestEachSagaIsNotedOnceAndNotMoreThanCount(t *testing.T) {
	var v View
	now := time.Unix(100, 0)
	for i, want := range []struct {
		id, alike string
		after     time.Duration
		noted     bool
	}{
		{"a", "x", 0, true}, {"a", "x", 0, false}, {"b", "x", 0, true}, {"c", "x", 0, false}, // two are enough
		{"c", "y", 0, true}, {"a", "x", time.Minute, true},
	} {
		if got := v.Note(row(want.id), want.alike, now.Add(want.after), time.Minute, 2); got != want.noted {
			t.Errorf("%d: %s failed with %s: noted %t", i, want.id, want.alike, got)
		}
	}
	v.Lifted(row("").At())
	if !v.Note(row("b"), "x", now.Add(time.Minute), time.Minute, 2) {
		t.Error("after the step was lifted it is not noted")
	}
}

func TestNotesAreBounded(t *testing.T) {
	var v View
	now := time.Unix(100, 0)
	for i := range 2 * most {
		v.Note(row("a"), fmt.Sprint(i), now, time.Minute, 5)
	}
	if len(v.notes) != most {
		t.Errorf("%d kinds are kept", len(v.notes))
	}
	if !v.Note(row("a"), "new", now.Add(time.Minute), time.Minute, 5) {
		t.Error("old ones stay for ever")
	}
}

func TestWhatIsHeld(t *testing.T) {
	var v View
	now := time.Unix(100, 0)
	if !v.Stale(now) || v.Stale(now.Add(Fresh-1)) || !v.Stale(now.Add(Fresh)) {
		t.Error("it is asked too often, or too seldom")
	}
	if v.Has(row("a")) || v.Same(row("a"), "") {
		t.Error("held though nothing is known")
	}
	if n, changed := v.Set([]table.Held{{At: row("").At(), Alike: "x"}}); n != 1 || !changed {
		t.Error(n, changed)
	}
	undo := row("a")
	undo.Undoing = true
	if !v.Has(row("a")) || v.Has(undo) || !v.Same(row("a"), "x") || v.Same(row("a"), "y") {
		t.Error("it mistakes what is held")
	}
	if n, changed := v.Set(nil); n != 0 || !changed || v.Has(row("a")) {
		t.Error("it is held still")
	}
}
