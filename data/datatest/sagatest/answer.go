package sagatest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func runAnswer(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"once, twice and late":          answered,
		"for nobody, or too early":      answeredWrong,
		"refused":                       answeredNo,
		"to a step that is carried out": answeredBusy,
		"to a step that failed":         answeredFailed,
		"rolled back with its handler":  answeredNot,
		"tried again, or a bug":         answeredAgain,
	})
}

func answered(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Ask("a"), w.Ask("b"), w.Local("c"))
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	w.Await("x", saga.Waiting)
	w.Free()
	dbtest.Succeed(t, tx.Do(t.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error {
		return s.Answer(ctx, t, "x", "a", nil, func(d *trip) { d.Token = "given" })
	}))
	dbtest.Eventually(t, "b to wait", func() bool { d := w.Show(e.Engine, "x"); return d.Step == "b" && d.State == saga.Waiting })
	dbtest.Succeed(t, w.Answer(s, "x", "a", nil))                 // again
	dbtest.Succeed(t, w.Answer(s, "x", "a", saga.Reject("late"))) // and another
	d := w.Show(e.Engine, "x")
	if d.State != saga.Waiting || d.Step != "b" {
		t.Errorf("answered twice: %+v", d.Entry)
	}
	var data trip
	dbtest.Succeed(t, json.Unmarshal(d.Data, &data))
	dbtest.Want(t, "token", data.Token, "given")
	dbtest.Succeed(t, w.Answer(s, "x", "b", nil))
	w.Await("x", saga.Completed)
	dbtest.Succeed(t, w.Answer(s, "x", "b", nil)) // when all is over
	dbtest.Succeed(t, w.AnswerUndo(s, "x", "b", nil))
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "b/do", "c/do", "end/do")
}

func answeredWrong(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Ask("a"), w.Ask("b"))
	w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	w.Await("x", saga.Waiting)
	if err := w.Answer(s, "unknown", "a", nil); !errors.Is(err, saga.ErrNotFound) || problem.CodeOf(err) != problem.NotFound {
		t.Errorf("an unknown saga: %v", err)
	}
	for step, want := range map[string]problem.Code{"b": problem.FailedPrecondition, "z": problem.InvalidArgument, "end": problem.InvalidArgument} {
		if err := w.Answer(s, "x", step, nil); problem.CodeOf(err) != want {
			t.Errorf("step %s: %v", step, err)
		}
	}
	if err := w.AnswerUndo(s, "x", "a", nil); problem.CodeOf(err) != problem.FailedPrecondition {
		t.Errorf("an undo that nobody asked for: %v", err)
	}
	if err := w.Answer(s, "x", "a", saga.Wait); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("an answer to wait: %v", err)
	}
	dbtest.Want(t, "state", dbtest.Value[string](t, w.DB, "SELECT state FROM muster_saga"), "waiting")
}

// answeredNo: what is refused was not done; what waits and is undone was. A late answer
// to what was asked first is none to its undoing.
func answeredNo(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Ask("b"), w.Ask("c"))
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	w.Await("x", saga.Waiting)
	dbtest.Succeed(t, w.Answer(s, "x", "b", nil))
	dbtest.Eventually(t, "c to wait", func() bool { d := w.Show(e.Engine, "x"); return d.Step == "c" && d.State == saga.Waiting })
	dbtest.Succeed(t, w.Answer(s, "x", "c", problem.New(problem.Unprocessable, "the parcel is too large")))
	w.Await("x", saga.Waiting) // for the undoing of b
	dbtest.Succeed(t, w.Answer(s, "x", "b", nil))
	if d := w.Show(e.Engine, "x"); d.State != saga.Waiting || !d.Undoing || d.Step != "b" || d.Reason != "the parcel is too large" {
		t.Errorf("a late answer: %+v", d.Entry)
	}
	dbtest.Succeed(t, w.AnswerUndo(s, "x", "b", nil))
	dbtest.Succeed(t, w.AnswerUndo(s, "x", "b", nil))
	w.Await("x", saga.Compensated)
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "b/do", "c/do", "b/undo", "a/undo", "end/undo")
}

// answeredBusy: the answer is there before the step has recorded that it waits.
func answeredBusy(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	in, out := make(chan struct{}), make(chan struct{})
	s := w.Trip(saga.Remote[trip]{Name: "a", Undo: w.Out(nil), Do: func(ctx context.Context, d *trip) error {
		d.Token = "asked"
		close(in)
		w.Block(out)
		return saga.Wait
	}})
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	stage.Receive(t, in)
	if err := w.Answer(s, "x", "a", nil); !errors.Is(err, saga.ErrBusy) || problem.From(err).RetryAfter == 0 {
		t.Errorf("answered while it is carried out: %v", err)
	}
	close(out)
	w.Await("x", saga.Waiting)
	dbtest.Succeed(t, w.Answer(s, "x", "a", nil))
	w.Await("x", saga.Completed)
	var data trip
	dbtest.Succeed(t, json.Unmarshal(w.Show(e.Engine, "x").Data, &data))
	dbtest.Want(t, "token", data.Token, "asked")
}

// answeredFailed: a step timed out, was paused, and its answer comes after all.
func answeredFailed(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Remote("a"))
	w.Engine(w.DB, saga.Config{}, s)
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if c.Step != "a" {
			return nil
		}
		return map[string]error{"paused": saga.Bug(errors.New("boom")), "backing": saga.Retry(errors.New("away"), 1<<40)}[c.ID]
	})
	w.Start(s, "paused")
	w.Start(s, "backing")
	w.Await("paused", saga.Paused)
	dbtest.Eventually(t, "the other to back off", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE id = 'backing' AND attempts = 1 AND owner = ''`) == 1
	})
	for _, id := range []string{"paused", "backing"} {
		dbtest.Succeed(t, w.Answer(s, id, "a", nil))
		w.Await(id, saga.Completed)
	}
}

func answeredNot(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Ask("a"))
	w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	w.Await("x", saga.Waiting)
	boom := errors.New("boom")
	err := tx.Do(t.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error {
		return errors.Join(s.Answer(ctx, t, "x", "a", nil, nil), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	w.Await("x", saga.Waiting)
	dbtest.Succeed(t, w.Answer(s, "x", "a", nil))
	w.Await("x", saga.Completed)
}

func answeredAgain(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Ask("a"))
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	w.Await("x", saga.Waiting)
	dbtest.Succeed(t, w.Answer(s, "x", "a", saga.Retry(errors.New("no stock yet"), 0)))
	dbtest.Eventually(t, "it to be asked again", func() bool { return len(w.Effects("x")) == 2 })
	w.Await("x", saga.Waiting)
	dbtest.Succeed(t, w.Answer(s, "x", "a", saga.Bug(errors.New("nonsense"))))
	w.Await("x", saga.Paused)
	dbtest.Want(t, "error", w.Show(e.Engine, "x").Error, "nonsense")
}
