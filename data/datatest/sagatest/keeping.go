package sagatest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Version 1 and 2 run side by side; what no build knows is left alone and shown.
func versions(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	one := w.Trip(w.Local("a"), w.Ask("b"), w.Local("c"))
	w.Desk(one)
	for _, id := range []string{"old", "older"} {
		w.Start(one, id)
	}
	make2 := func() *saga.Saga[trip] {
		two := w.Trip(w.Local("a2"))
		two.Version = 2
		return two
	}
	two := make2()
	newer := w.Engine(w.DB, saga.Config{}, two)
	w.Start(two, "new")
	w.Await("new", saga.Completed)
	d := w.Show(newer.Engine, "old")
	if d.Loadable || d.Fence != 0 || d.State != saga.Running {
		t.Errorf("a version that is not known: %+v", d.Entry)
	}
	counts, err := newer.Counts(t.Context())
	dbtest.Succeed(t, err)
	for _, c := range counts {
		dbtest.Want(t, "loadable", c.Loadable, c.Version == 2)
	}
	if err := newer.Compensate(t.Context(), "trip", "old", saga.Note{By: "ann", Why: "test"}); problem.CodeOf(err) != problem.FailedPrecondition {
		t.Errorf("a version that is not known was compensated: %v", err)
	}
	if err := w.Answer(two, "old", "b", nil); problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("a version that is not known was answered: %v", err)
	}
	both1, both2 := w.Trip(w.Local("a"), w.Ask("b"), w.Local("c")), make2()
	w.Engine(open(), saga.Config{}, both1, both2)
	w.Await("old", saga.Waiting)
	w.Await("older", saga.Waiting)
	dbtest.Succeed(t, w.Answer(both2, "old", "b", nil)) // the engine knows which version it is
	dbtest.Succeed(t, w.Answer(both1, "older", "b", saga.Reject("no")))
	w.Await("old", saga.Completed)
	w.Await("older", saga.Compensated)
	stage.Equal(t, "old", w.Effects("old"), "a/do", "b/do", "c/do", "end/do")
	stage.Equal(t, "new", w.Effects("new"), "a2/do", "end/do")
}

func unmigrated(t *testing.T, open func() *sql.DB) {
	db := open()
	w := &world{&stage.World{T: t, DB: db}}
	s := w.Trip(w.Local("a"))
	e, err := saga.New(db, saga.Config{}, s)
	dbtest.Succeed(t, err)
	for what, err := range map[string]error{
		"run":   e.Run(t.Context()),
		"start": tx.Do(t.Context(), db, func(ctx context.Context, t *sql.Tx) error { return s.Start(ctx, t, "x", trip{}) }),
	} {
		if err == nil || problem.CodeOf(err) != problem.Internal || !strings.Contains(err.Error(), "call saga.Migrate before") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 2 {
		dbtest.Succeed(t, saga.Migrate(t.Context(), db))
	}
}

func swept(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Local("b"))
	w.Engine(w.DB, saga.Config{}, s)
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if c.ID == "stuck" && c.Step == "b" {
			return saga.Bug(errors.New("boom"))
		}
		return nil
	})
	for _, id := range []string{"x", "stuck", "young"} {
		w.Start(s, id)
	}
	w.Await("x", saga.Completed)
	w.Await("young", saga.Completed)
	w.Await("stuck", saga.Paused)
	dbtest.Execute(t, w.DB, `UPDATE muster_saga SET updated = 1 WHERE id <> 'young'`)
	n, err := saga.Sweep(t.Context(), w.DB, 0)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "swept", n, 1)
	dbtest.Want(t, "left", dbtest.Value[int](t, w.DB, "SELECT count(*) FROM muster_saga"), 2)
	dbtest.Want(t, "history of what was swept", dbtest.Value[int](t, w.DB, "SELECT count(*) FROM muster_saga_step WHERE id = 'x'"), 0)
	dbtest.Want(t, "history of what was not", dbtest.Value[int](t, w.DB, "SELECT count(*) FROM muster_saga_step WHERE id = 'stuck'") > 0, true)
}
