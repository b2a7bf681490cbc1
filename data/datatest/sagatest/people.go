package sagatest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func runPeople(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"what is legal in each state": legal,
		"retry, skip, compensate":     helped,
		"a step in doubt is undone":   inDoubt,
		"a worker is fenced off":      fencedOff,
	})
}

var ann = saga.Note{By: "ann", Why: "the bank called"} //nolint:gochecknoglobals // a table of the tests

// legal brings a saga into every state and tries everything.
func legal(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Ask("b"), saga.Local[trip]{Name: "p", Pivot: true, Do: w.InTx(nil)}, saga.Local[trip]{Name: "z", Do: w.InTx(nil)})
	boom, far := errors.New("boom"), time.Hour
	told := map[string]error{
		"a/do backing": saga.Retry(boom, far), "a/do paused": saga.Bug(boom), "z/do late": saga.Retry(boom, far), "z/do stopped": saga.Bug(boom),
		"p/do undone": saga.Reject("no"), "p/do undoing": saga.Reject("no"), "p/do pivot": saga.Bug(boom), "a/undo undoing": saga.Retry(boom, far),
	}
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if when == stage.After {
			return nil
		}
		return told[stage.Place(c)+" "+c.ID]
	})
	e := w.Engine(w.DB, saga.Config{}, s)
	tests := []struct {
		id       string
		answers  string // do of b, undo of b
		state    saga.State
		step     string
		possible string
	}{
		{"backing", "", saga.Running, "a", "compensate, pause, retry, skip"},
		{"paused", "", saga.Paused, "a", "compensate, resume, retry, skip"},
		{"waiting", "", saga.Waiting, "b", "compensate"},
		{"pivot", "b", saga.Paused, "p", "compensate, resume, retry, skip"},
		{"late", "b", saga.Running, "z", "pause, retry, skip"},
		{"stopped", "b", saga.Paused, "z", "resume, retry, skip"},
		{"done", "b", saga.Completed, "end", "nothing"},
		{"undone", "b b", saga.Compensated, "end", "nothing"},
		{"undoing", "b b", saga.Compensating, "a", "pause, retry, skip"},
	}
	for _, tc := range tests {
		w.Start(s, tc.id)
		if tc.answers != "" {
			w.Await(tc.id, saga.Waiting)
			dbtest.Succeed(t, w.Answer(s, tc.id, "b", nil))
		}
		if strings.Contains(tc.answers, " ") {
			dbtest.Eventually(t, tc.id+" to wait for its undoing", func() bool { d := w.Show(e.Engine, tc.id); return d.Undoing && d.State == saga.Waiting })
			dbtest.Succeed(t, w.AnswerUndo(s, tc.id, "b", nil))
		}
		dbtest.Eventually(t, tc.id+" to be "+string(tc.state), func() bool {
			d := w.Show(e.Engine, tc.id)
			return d.State == tc.state && d.Step == tc.step && d.Owner == "" && (d.Attempts > 0 || d.Error == "" && !strings.Contains(tc.possible, "retry"))
		})
	}
	for _, tc := range tests {
		for what, do := range map[string]func(context.Context, string, string, saga.Note) error{"retry": e.Retry, "skip": e.Skip, "compensate": e.Compensate, "pause": e.Pause, "resume": e.Resume} {
			if strings.Contains(tc.possible, what) {
				continue // that they can is another test's
			}
			p := problem.From(do(t.Context(), "trip", tc.id, ann))
			if p == nil || p.Code != problem.FailedPrecondition || !strings.Contains(p.Message, string(tc.state)) || !strings.HasSuffix(p.Message, "possible: "+tc.possible) {
				t.Errorf("%s of %s: %v, want what is possible: %s", what, tc.id, p, tc.possible)
			}
		}
	}
	if err := e.Retry(t.Context(), "trip", "nobody", ann); !errors.Is(err, saga.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	for _, n := range []saga.Note{{}, {By: "ann"}, {Why: "so"}, {By: strings.Repeat("a", 101), Why: "so"}, {By: "ann", Why: strings.Repeat("a", 1001)}, {By: " ", Why: "so"}} {
		if err := e.Retry(t.Context(), "trip", "paused", n); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%+v: %v", n, err)
		}
	}
}

func helped(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Local("b"), saga.Local[trip]{Name: "p", Pivot: true, Do: w.InTx(nil)}, saga.Local[trip]{Name: "z", Do: w.InTx(nil)})
	stuck := map[string]error{
		"b/do retry": saga.Bug(errors.New("boom")), "b/do skip": saga.Bug(errors.New("boom")), "b/do compensate": saga.Bug(errors.New("boom")),
		"b/do backing": saga.Retry(errors.New("away"), time.Hour), "z/do late": saga.Reject("no"),
		"p/do undo": saga.Reject("no"), "a/undo undo": saga.Bug(errors.New("boom")),
	}
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if when == stage.After || c.Fence > 1 {
			return nil
		}
		return stuck[stage.Place(c)+" "+c.ID]
	})
	e := w.Engine(w.DB, saga.Config{}, s)
	do := []string{"a/do", "b/do", "p/do", "z/do", "end/do"}
	for _, tc := range []struct {
		id      string
		help    func(context.Context, string, string, saga.Note) error
		ends    saga.State
		effects []string
		event   string
	}{
		{"retry", e.Retry, saga.Completed, do, "b do retried"},
		{"backing", e.Retry, saga.Completed, do, "b do retried"},
		{"skip", e.Skip, saga.Completed, []string{"a/do", "p/do", "z/do", "end/do"}, "b do skipped"},
		{"compensate", e.Compensate, saga.Compensated, []string{"a/do", "a/undo", "end/undo"}, "b do compensated"},
		{"late", e.Skip, saga.Completed, []string{"a/do", "b/do", "p/do", "end/do"}, "z do skipped"},
		{"undo", e.Skip, saga.Compensated, []string{"a/do", "b/do", "b/undo", "end/undo"}, "a undo skipped"},
	} {
		w.Start(s, tc.id)
		dbtest.Eventually(t, tc.id+" to be stuck", func() bool { d := w.Show(e.Engine, tc.id); return d.Attempts > 0 && d.Owner == "" })
		dbtest.Succeed(t, tc.help(t.Context(), "trip", tc.id, ann))
		w.Await(tc.id, tc.ends)
		stage.Equal(t, tc.id, w.Effects(tc.id), tc.effects...)
		var found []string
		for _, ev := range w.Show(e.Engine, tc.id).History {
			if ev.By != "" {
				found = append(found, ev.Step+" "+ev.Direction+" "+ev.Outcome)
				dbtest.Want(t, "note", saga.Note{By: ev.By, Why: ev.Why}, ann)
				dbtest.Want(t, "error on record", ev.Error != "", true)
			}
		}
		stage.Equal(t, "history of "+tc.id, found, tc.event)
	}
}

// inDoubt: what may have taken effect is undone when a person has a saga compensated.
func inDoubt(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Remote("b"), w.Ask("c"), saga.Remote[trip]{Name: "p", Pivot: true, Do: w.Out(nil)})
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if c.Undo || when == stage.After {
			return nil
		}
		return map[string]error{"b unknown": saga.Unknown(errors.New("timeout")), "b busy": saga.Retry(errors.New("busy"), time.Hour), "p pivot": saga.Bug(errors.New("boom"))}[c.Step+" "+c.ID]
	})
	e := w.Engine(w.DB, saga.Config{}, s)
	for id, want := range map[string][]string{
		"unknown": {"a/do", "b/undo", "a/undo", "end/undo"},
		"busy":    {"a/do", "a/undo", "end/undo"},
		"waiting": {"a/do", "b/do", "c/do", "c/undo", "b/undo", "a/undo", "end/undo"},
	} {
		w.Mu.Lock()
		w.Order = nil
		w.Mu.Unlock()
		w.Start(s, id)
		dbtest.Eventually(t, id+" to be stuck", func() bool {
			d := w.Show(e.Engine, id)
			return d.Owner == "" && (d.Attempts > 0 || d.State == saga.Waiting)
		})
		dbtest.Eventually(t, id+" to be compensated", func() bool { // between two attempts
			err := e.Compensate(t.Context(), "trip", id, ann)
			if err != nil {
				t.Log(err)
			}
			return err == nil
		})
		if id == "waiting" {
			w.Await(id, saga.Waiting)
			dbtest.Succeed(t, w.AnswerUndo(s, id, "c", nil))
		}
		w.Await(id, saga.Compensated)
		dbtest.Want(t, "reason", w.Show(e.Engine, id).Reason, ann.Why)
		w.Path(id, want...)
	}
	w.Start(s, "pivot")
	w.Await("pivot", saga.Waiting)
	dbtest.Succeed(t, w.Answer(s, "pivot", "c", nil))
	w.Await("pivot", saga.Paused)
	err := e.Compensate(t.Context(), "trip", "pivot", ann)
	if problem.CodeOf(err) != problem.FailedPrecondition || !strings.Contains(err.Error(), `its pivot "p" may have taken effect and has no Undo; possible: resume, retry, skip`) {
		t.Errorf("a pivot in doubt: %v", err)
	}
}

// fencedOff: a person acts while a worker is in the step.
func fencedOff(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	in, wake, out := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := w.Trip(w.Local("a"), saga.Remote[trip]{Name: "b", Undo: w.Out(nil), Do: func(context.Context, *trip) error {
		close(in)
		w.Block(wake)
		close(out)
		return nil
	}}, w.Local("c"))
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	stage.Receive(t, in)
	for what, do := range map[string]func(context.Context, string, string, saga.Note) error{"retry": e.Retry, "skip": e.Skip} {
		if err := do(t.Context(), "trip", "x", ann); problem.CodeOf(err) != problem.FailedPrecondition {
			t.Errorf("%s while the step is carried out: %v", what, err)
		}
	}
	dbtest.Succeed(t, e.Compensate(t.Context(), "trip", "x", ann))
	w.Await("x", saga.Compensated)
	close(wake)
	stage.Receive(t, out)
	e.Stop()
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "a/undo", "end/undo")
	dbtest.Want(t, "state", w.Show(e.Engine, "x").State, saga.Compensated)
	n := w.Calls["trip/x/b/undo"]
	dbtest.Want(t, "undone, done or not", n >= 1 && n <= 1+w.Lapses(), true)
}
