package sagatest

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

func runFence(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"a holder that was paused records nothing":     paused,
		"of a Local step nothing of it is committed":   pausedLocal,
		"one that was taken over begins nothing":       between,
		"a lease is extended while a step lasts":       extended,
		"a claim that nobody knows of is not for ever": stray,
		"a process that is gone is taken over in time": takenOver,
	})
}

// takeOver ends the leases until another engine has the saga.
func (w *world) takeOver(id string) {
	w.T.Helper()
	fence := dbtest.Value[int64](w.T, w.DB, `SELECT fence FROM muster_saga WHERE id = $1`, id)
	dbtest.Eventually(w.T, "another engine to take over", func() bool {
		dbtest.Execute(w.T, w.DB, `UPDATE muster_saga SET leased_until = 1 WHERE id = $1 AND fence = $2`, id, fence)
		return dbtest.Value[int64](w.T, w.DB, `SELECT fence FROM muster_saga WHERE id = $1`, id) > fence
	})
}

// The first holder sleeps in a Remote step, another takes over, and while that one is
// in the same step the first wakes up: what it did is its own affair.
func paused(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	in, wake := make(chan int64, 9), map[int64]chan struct{}{1: make(chan struct{}), 2: make(chan struct{})}
	make1 := func() *saga.Saga[trip] {
		return w.Trip(saga.Remote[trip]{Name: "a", Undo: w.Out(nil), Do: func(ctx context.Context, d *trip) error {
			c, _ := saga.StepOf(ctx)
			in <- c.Fence
			w.Block(wake[c.Fence])
			d.Token = map[int64]string{1: "old", 2: "new"}[c.Fence]
			return w.Out(nil)(context.WithoutCancel(ctx), d)
		}}, w.Local("b"))
	}
	s := make1()
	one := w.Engine(open(), saga.Config{Owner: "one", Workers: 1}, s)
	w.Start(s, "x")
	dbtest.Want(t, "fence", stage.Receive(t, in), 1)
	two := w.Engine(open(), saga.Config{Owner: "two", Workers: 1}, make1())
	w.takeOver("x")
	dbtest.Want(t, "fence", stage.Receive(t, in), 2)
	close(wake[1])
	dbtest.Eventually(t, "the first to wake", func() bool { return len(w.Done()) == 1 })
	one.Stop() // it has tried to record what it did
	d := w.Show(two.Engine, "x")
	if d.Step != "a" || d.Fence != 2 || strings.Contains(string(d.Data), "old") {
		t.Errorf("the first holder was heard: %+v, %s", d.Entry, d.Data)
	}
	dbtest.Want(t, "effects meanwhile", len(w.Effects("x")), 0)
	close(wake[2])
	w.Await("x", saga.Completed)
	if d := w.Show(two.Engine, "x"); !strings.Contains(string(d.Data), "new") || strings.Contains(string(d.Data), "old") {
		t.Errorf("data %s", d.Data)
	}
	stage.Equal(t, "effects", w.Effects("x"), "b/do", "end/do")
}

// A Local step begins after its holder was taken over: it must see that, and nothing
// that it writes may stay.
func pausedLocal(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	in, wake := make(chan struct{}), make(chan struct{})
	s := w.Trip(w.Local("a"), w.Local("b"))
	holder := w.Engine(open(), saga.Config{Owner: "one"}, s)
	w.Say(func(c saga.Call, when string, tr tx.Tx) error {
		if c.Step != "b" || c.Fence > 1 {
			return nil
		}
		if when == stage.Before {
			// What another would do, were the lock of the row not there: SQLite has but one writer.
			_, err := tr.ExecContext(t.Context(), `UPDATE muster_saga SET fence = fence + 1, owner = 'two' WHERE id = $1`, c.ID)
			return err
		}
		close(in)
		w.Block(wake)
		return nil
	})
	w.Start(s, "x")
	stage.Receive(t, in)
	close(wake)
	// Its transition is refused, and all of its transaction with it, the usurper's mark too.
	dbtest.Eventually(t, "the transaction to be rolled back", func() bool {
		return dbtest.Value[string](t, w.DB, `SELECT step FROM muster_saga WHERE id = 'x'`) == "b" &&
			dbtest.Value[int](t, w.DB, `SELECT count(*) FROM effect WHERE step = 'b/do'`) == 0
	})
	w.Say(nil)
	w.Await("x", saga.Completed)
	holder.Stop()
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "b/do", "end/do")
}

// A holder that was taken over between two steps does not begin the second.
func between(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	a := w.Local("a")
	a.Do = func(ctx context.Context, t tx.Tx, d *trip) error {
		tx.AfterCommit(ctx, func() {
			dbtest.Execute(w.T, w.DB, `UPDATE muster_saga SET fence = fence + 1, owner = 'another', leased_until = leased_until + 60000`)
		})
		return w.InTx(nil)(ctx, t, d)
	}
	s := w.Trip(a, w.Local("b"))
	w.Say(func(c saga.Call, _ string, _ tx.Tx) error {
		if c.Step == "b" && c.Fence == 1 {
			t.Error("a holder that was taken over began a step")
		}
		return nil
	})
	w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	dbtest.Eventually(t, "another to take over", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE owner = 'another'`) == 1
	})
	w.Lapse()
	w.Await("x", saga.Completed)
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "b/do", "end/do")
	dbtest.Want(t, "fence", dbtest.Value[int](t, w.DB, `SELECT fence FROM muster_saga`), 3)
}

func extended(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	wake := make(chan struct{})
	s := w.Trip(w.Remote("a"))
	w.Say(func(_ saga.Call, when string, tr tx.Tx) error {
		if when == stage.Before && tr == nil {
			w.Block(wake)
		}
		return nil
	})
	w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	dbtest.Eventually(t, "a holder", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE owner <> ''`) == 1
	})
	first := dbtest.Value[int64](t, w.DB, `SELECT leased_until FROM muster_saga`)
	dbtest.Eventually(t, "a beat", func() bool { return dbtest.Value[int64](t, w.DB, `SELECT leased_until FROM muster_saga`) > first })
	dbtest.Want(t, "fence", dbtest.Value[int64](t, w.DB, `SELECT fence FROM muster_saga`), 1)
	close(wake)
	w.Await("x", saga.Completed)
}

// stray: the answer to a claim may be lost, and the table then names an owner that
// knows nothing of it.
func stray(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	wake := make(chan struct{})
	s := w.Trip(w.Remote("a"))
	w.Say(func(c saga.Call, when string, tr tx.Tx) error {
		if when == stage.Before && tr == nil && c.ID == "busy" {
			w.Block(wake)
		}
		return nil
	})
	w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "busy")
	dbtest.Eventually(t, "a holder", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE owner <> ''`) == 1
	})
	dbtest.Succeed(t, tx.Do(t.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error {
		if err := s.Start(ctx, t, "stray", trip{}); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `UPDATE muster_saga SET leased_until = (SELECT b.leased_until FROM muster_saga b WHERE b.id = 'busy'),
			owner = (SELECT b.owner FROM muster_saga b WHERE b.id = 'busy'), fence = 1 WHERE id = 'stray'`)
		return err
	}))
	w.Await("stray", saga.Completed)
	close(wake)
	w.Await("busy", saga.Completed)
}

// takenOver: nobody ends the lease of a process that is gone.
func takenOver(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	first := open()
	died := make(chan struct{})
	w.Say(func(c saga.Call, when string, tr tx.Tx) error {
		if c.Fence == 1 && when == stage.After && tr == nil {
			_ = first.Close()
			close(died)
		}
		return nil
	})
	desk := w.Trip(w.Remote("a"), w.Local("b"))
	w.Desk(desk)
	one := w.Engine(first, saga.Config{}, w.Trip(w.Remote("a"), w.Local("b")))
	w.Start(desk, "x")
	stage.Receive(t, died)
	begun := time.Now()
	w.Engine(open(), saga.Config{}, w.Trip(w.Remote("a"), w.Local("b")))
	w.Await("x", saga.Completed)
	took := time.Since(begun)
	t.Logf("taken over and completed %s after the crash", took.Round(time.Millisecond))
	if took >= 2*saga.Lease { // that five seconds are kept to is measured where processes are killed
		t.Errorf("taken over after %s, as if more than one lease had been waited for", took)
	}
	one.Stop()
}
