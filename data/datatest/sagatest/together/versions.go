package together

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// RunVersions runs what goes on by a later version.
func RunVersions(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"what is under way goes on by a later version": upgraded,
		"an upgrade that fails pauses":                 upgradeFails,
		"what a build cannot carry on is told before":  checked,
	})
}

// voyage is what became of trip in its second version.
type voyage struct {
	Legs []string
	From int
}

// second is version 2 of the saga of first: a and b were renamed, and c is new.
func (w *world) second(up func(saga.Old) (string, voyage, error)) *saga.Saga[voyage] {
	step := func(name string, ends error) saga.Local[voyage] {
		do := func(ctx context.Context, t tx.Tx, d *voyage) error {
			c, _ := saga.StepOf(ctx)
			if c.ID != "held" || !c.Undo { // the data came over
				d.Legs = append(d.Legs, stage.Place(c))
			}
			_, err := t.ExecContext(ctx, `INSERT INTO effect VALUES ($1, $2)`, c.ID, "2:"+stage.Place(c))
			return errors.Join(err, ends)
		}
		return saga.Local[voyage]{Name: name, Do: do, Undo: do}
	}
	return &saga.Saga[voyage]{
		Name: "trip", Version: 2, From: []int{1}, Upgrade: up,
		Steps: []saga.Step[voyage]{step("first", nil), step("second", saga.Wait), step("third", nil)},
	}
}

func (w *world) first() *saga.Saga[trip] {
	s := w.Trip(w.Local("a"), w.Ask("b"))
	s.Completed, s.Compensated = nil, nil
	return s
}

// rename is the upgrade.
func rename(o saga.Old) (string, voyage, error) {
	data, err := saga.DataOf[trip](o)
	step, ok := map[string]string{"a": "first", "b": "second"}[o.Step]
	if !ok {
		return "", voyage{}, fmt.Errorf("no step %q", o.Step)
	}
	return step, voyage{Legs: data.Trail, From: o.Version}, err
}

// under brings sagas of version 1 to several places, and ends the engine that did.
func (w *world) under() {
	s := w.first()
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		switch {
		case when == stage.After:
		case c.ID == "backing" && stage.Place(c) == "a/do", c.ID == "undoing" && stage.Place(c) == "a/undo":
			return saga.Retry(errors.New("later"), 50*time.Millisecond)
		}
		return nil
	})
	one := w.Engine(w.DB, saga.Config{}, s)
	for _, id := range []string{"waiting", "backing", "undoing"} {
		w.Start(s, id)
	}
	w.Await("waiting", saga.Waiting)
	w.Await("undoing", saga.Waiting)
	dbtest.Succeed(w.T, w.Answer(s, "undoing", "b", saga.Reject("no")))
	dbtest.Eventually(w.T, "both to back off", func() bool {
		return w.Show(one.Engine, "backing").Attempts > 0 && w.Show(one.Engine, "undoing").Attempts > 0
	})
	one.Stop()
	w.Say(nil)
}

func upgraded(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	w.under()
	s := w.second(rename)
	e := w.Engine(open(), saga.Config{}, s)
	answer := func(id string) {
		t.Helper()
		dbtest.Succeed(t, tx.Do(t.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error { return s.Answer(ctx, t, id, "second", nil, nil) }))
	}
	answer("waiting")
	w.Await("waiting", saga.Completed)
	w.Await("backing", saga.Waiting)
	answer("backing")
	w.Await("backing", saga.Completed)
	w.Await("undoing", saga.Compensated)
	stage.Equal(t, "effects", w.Effects("waiting"), "a/do", "b/do", "2:third/do")
	stage.Equal(t, "effects", w.Effects("backing"), "2:first/do", "2:second/do", "2:third/do")
	stage.Equal(t, "effects", w.Effects("undoing"), "a/do", "b/do", "2:first/undo")
	for _, id := range []string{"waiting", "backing", "undoing"} {
		d := w.Show(e.Engine, id)
		var outcomes []string
		for _, ev := range d.History {
			outcomes = append(outcomes, ev.Outcome)
		}
		if d.Version != 2 || !strings.Contains(string(d.Data), `"From":1`) || !slices.Contains(outcomes, "upgraded") {
			t.Errorf("%s: version %d, %s, %v", id, d.Version, d.Data, outcomes)
		}
	}
	if d := w.Show(e.Engine, "waiting"); !strings.Contains(string(d.Data), `["a/do","b/do","third/do"]`) {
		t.Errorf("data %s", d.Data)
	}
}

func upgradeFails(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	w.under()
	bad := w.second(func(saga.Old) (string, voyage, error) { return "", voyage{}, errors.New("the column is gone") })
	e := w.Engine(open(), saga.Config{}, bad)
	for _, id := range []string{"backing", "undoing"} {
		w.Await(id, saga.Paused)
		if d := w.Show(e.Engine, id); d.Version != 1 || !strings.Contains(d.Error, "the upgrade from version 1: the column is gone") || d.Loadable {
			t.Errorf("%+v", d.Entry)
		}
		if err := e.Retry(t.Context(), "trip", id, saga.Note{By: "ann", Why: "the upgrade is mended"}); err == nil || !strings.Contains(err.Error(), "the column is gone") {
			t.Error("retried:", err)
		}
	}
	e.Stop()
	mended := w.Engine(open(), saga.Config{}, w.second(rename))
	dbtest.Succeed(t, mended.Retry(t.Context(), "trip", "backing", saga.Note{By: "ann", Why: "the upgrade is mended"}))
	w.Await("backing", saga.Waiting)
	dbtest.Succeed(t, mended.Retry(t.Context(), "trip", "undoing", saga.Note{By: "ann", Why: "the upgrade is mended"}))
	w.Await("undoing", saga.Compensated)
}

func checked(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	w.under()
	check := func(sagas ...saga.Definition) (list []string) {
		t.Helper()
		e, err := saga.New(w.DB, saga.Config{}, sagas...)
		dbtest.Succeed(t, err)
		found, err := e.Check(t.Context())
		dbtest.Succeed(t, err)
		for _, s := range found {
			list = append(list, fmt.Sprint(s.Name, " ", s.Version, " ", s.Step, " ", s.Undoing, " ", s.Sagas, ": ", s.Why))
		}
		slices.Sort(list)
		return list
	}
	stage.Equal(t, "by their own version", check(w.first()))
	stage.Equal(t, "by the next", check(w.second(rename)))
	stage.Equal(t, "by none", check(),
		"trip 1 a false 1: this build does not know its version", "trip 1 a true 1: this build does not know its version", "trip 1 b false 1: this build does not know its version")
	stage.Equal(t, "by one whose upgrade leads nowhere", check(w.second(func(o saga.Old) (string, voyage, error) {
		step, data, err := rename(o)
		if o.Step == "b" {
			step = "gone"
		}
		return step, data, err
	})), `trip 1 b false 1: step "b" of version 1 became "gone" of version 2: there is no step "gone": version 2 of "trip" was changed while sagas were running: raise the version with every change of the steps`)
	other := &saga.Saga[int]{Name: "trip", Version: 1, Steps: []saga.Step[int]{saga.Remote[int]{Name: "a", NoUndo: true, Do: func(context.Context, *int) error { return nil }}}}
	if list := check(other); len(list) != 3 || !strings.Contains(list[0], "cannot be read") || !strings.Contains(list[1], "has no Undo") || !strings.Contains(list[2], `there is no step "b"`) {
		t.Errorf("by one of other steps and data: %q", list)
	}
}
