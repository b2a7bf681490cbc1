package sagatest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func runMend(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"pause and resume":            pausedThenResumed,
		"a remote step in hand":       pausedInHand,
		"edit":                        edited,
		"all of one error":            inBulk,
		"what they did stands beside": audited,
	})
}

// pausedThenResumed stops a saga between two tries, and has it go on with what it had.
func pausedThenResumed(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Remote("b"))
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if stage.Place(c) == "b/do" && when == stage.Before && c.Attempt == 1 {
			return saga.Retry(errors.New("away"), time.Hour)
		}
		return nil
	})
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	dbtest.Eventually(t, "x to back off", func() bool { d := w.Show(e.Engine, "x"); return d.Attempts == 1 && d.Owner == "" })
	dbtest.Succeed(t, e.Pause(t.Context(), "trip", "x", ann))
	d := w.Show(e.Engine, "x")
	dbtest.Want(t, "state", d.State, saga.Paused)
	dbtest.Want(t, "attempts", d.Attempts, 1)
	stage.Equal(t, "effects while it is paused", w.Effects("x"), "a/do")
	if err := e.Pause(t.Context(), "trip", "x", ann); problem.CodeOf(err) != problem.FailedPrecondition {
		t.Errorf("paused twice: %v", err)
	}
	dbtest.Succeed(t, e.Resume(t.Context(), "trip", "x", ann)) // the second attempt is let through
	w.Await("x", saga.Completed)
	if err := e.Resume(t.Context(), "trip", "x", ann); problem.CodeOf(err) != problem.FailedPrecondition {
		t.Errorf("resumed when it had ended: %v", err)
	}
}

// pausedInHand pauses a saga while others are asked: what they answer is not heard, and
// they are asked again.
func pausedInHand(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	in, wake, tries := make(chan struct{}), make(chan struct{}), make(chan string, 2)
	s := w.Trip(w.Local("a"), saga.Remote[trip]{Name: "b", Undo: w.Out(nil), Do: func(ctx context.Context, _ *trip) error {
		c, _ := saga.StepOf(ctx)
		tries <- c.Key()
		if c.Fence == 1 {
			close(in)
			w.Block(wake)
		}
		return nil
	}}, w.Local("c"))
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	stage.Receive(t, in)
	dbtest.Succeed(t, e.Pause(t.Context(), "trip", "x", ann))
	close(wake)
	d := w.Show(e.Engine, "x")
	dbtest.Want(t, "state", d.State, saga.Paused)
	dbtest.Want(t, "in doubt", d.Doubt, true)
	dbtest.Succeed(t, e.Resume(t.Context(), "trip", "x", ann))
	w.Await("x", saga.Completed)
	dbtest.Want(t, "the key of both tries", stage.Receive(t, tries), stage.Receive(t, tries))
}

// edited replaces the data of a saga that a mistake in them stopped.
func edited(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), saga.Local[trip]{Name: "b", Undo: w.InTx(nil), Do: func(_ context.Context, _ tx.Tx, d *trip) error {
		if len(d.Trail) != 1 || d.Trail[0] != "mended" {
			return saga.Bug(fmt.Errorf("the trail %v is wrong", d.Trail))
		}
		return nil
	}})
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	w.Await("x", saga.Paused)
	d := w.Show(e.Engine, "x")
	var good map[string]any
	dbtest.Succeed(t, json.Unmarshal(d.Data, &good))
	for field := range good {
		if strings.EqualFold(field, "trail") {
			good[field] = []string{"mended"}
		}
	}
	data, err := json.Marshal(good)
	dbtest.Succeed(t, err)
	edit := func(seq int64, data string) error {
		return e.Edit(t.Context(), "trip", "x", saga.Edited{Note: ann, Seq: seq, Data: json.RawMessage(data)})
	}
	for given, want := range map[string]problem.Code{
		`{"Nonsense": 1}`: problem.InvalidArgument, `{"Trail": 7}`: problem.InvalidArgument, `{`: problem.InvalidArgument,
		``: problem.InvalidArgument, string(data) + "{}": problem.InvalidArgument,
	} {
		if err := edit(d.Seq, given); problem.CodeOf(err) != want {
			t.Errorf("%q: %v, want %s", given, err, want)
		}
	}
	if err := edit(d.Seq-1, string(data)); problem.CodeOf(err) != problem.Conflict {
		t.Errorf("of an older saga: %v", err)
	}
	if err := e.Edit(t.Context(), "trip", "x", saga.Edited{Seq: d.Seq, Data: data}); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("by nobody: %v", err)
	}
	dbtest.Want(t, "changed by none of them", w.Show(e.Engine, "x").Seq, d.Seq)
	dbtest.Succeed(t, edit(d.Seq, string(data)))
	if err := edit(d.Seq, string(data)); problem.CodeOf(err) != problem.Conflict {
		t.Errorf("twice: %v", err)
	}
	after := w.Show(e.Engine, "x")
	dbtest.Want(t, "state", after.State, saga.Paused)
	dbtest.Want(t, "step", after.Step, "b")
	dbtest.Succeed(t, e.Retry(t.Context(), "trip", "x", ann))
	w.Await("x", saga.Completed)
	if err := edit(w.Show(e.Engine, "x").Seq, string(data)); problem.CodeOf(err) != problem.FailedPrecondition {
		t.Errorf("of what has ended: %v", err)
	}
}

// inBulk has those tried again that one error stopped, and leaves the others.
func inBulk(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"))
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if stage.Place(c) != "a/do" || when == stage.After || c.Fence > 1 {
			return nil
		}
		if c.ID == "other" {
			return saga.Bug(errors.New("the stock is negative"))
		}
		return saga.Bug(errors.New("the bank's certificate has expired"))
	})
	e := w.Engine(w.DB, saga.Config{}, s)
	ids := []string{"other", "one", "two", "three"}
	for _, id := range ids {
		w.Start(s, id)
	}
	for _, id := range ids {
		w.Await(id, saga.Paused)
	}
	for _, b := range []saga.Bulk{{Note: ann, Name: "trip"}, {Note: ann, Error: "x"}, {Name: "trip", Error: "x"}} {
		if _, err := e.RetryAll(t.Context(), b); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%+v: %v", b, err)
		}
	}
	none, err := e.RetryAll(t.Context(), saga.Bulk{Note: ann, Name: "trap", Error: "certificate"})
	dbtest.Succeed(t, err)
	dbtest.Want(t, "of no such name", none, saga.Bulked{})
	done, err := e.RetryAll(t.Context(), saga.Bulk{Note: ann, Name: "trip", Error: "certificate"})
	dbtest.Succeed(t, err)
	dbtest.Want(t, "retried", done, saga.Bulked{Retried: 3})
	for _, id := range ids[1:] {
		w.Await(id, saga.Completed)
	}
	dbtest.Want(t, "the other", w.Show(e.Engine, "other").State, saga.Paused)
}

// audited: who did what, and why, is kept with the saga.
func audited(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"))
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if stage.Place(c) == "a/do" && when == stage.Before && c.Fence == 1 {
			return saga.Retry(errors.New("away"), time.Hour)
		}
		return nil
	})
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	dbtest.Eventually(t, "x to back off", func() bool { d := w.Show(e.Engine, "x"); return d.Attempts == 1 && d.Owner == "" })
	dbtest.Succeed(t, e.Pause(t.Context(), "trip", "x", saga.Note{By: "ann", Why: "p"}))
	d := w.Show(e.Engine, "x")
	dbtest.Succeed(t, e.Edit(t.Context(), "trip", "x", saga.Edited{Note: saga.Note{By: "ben", Why: "e"}, Seq: d.Seq, Data: d.Data}))
	dbtest.Succeed(t, e.Resume(t.Context(), "trip", "x", saga.Note{By: "cem", Why: "r"}))
	w.Await("x", saga.Completed)
	var told []string
	for _, h := range w.Show(e.Engine, "x").History {
		if h.By != "" {
			told = append(told, h.By+"/"+h.Outcome+"/"+h.Why)
		}
	}
	stage.Equal(t, "history", told, "ann/paused/p", "ben/edited/e", "cem/resumed/r")
}
