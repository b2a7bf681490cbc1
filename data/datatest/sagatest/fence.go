package sagatest

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
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
	w.t.Helper()
	fence := dbtest.Value[int64](w.t, w.db, `SELECT fence FROM muster_saga WHERE id = $1`, id)
	dbtest.Eventually(w.t, "another engine to take over", func() bool {
		dbtest.Execute(w.t, w.db, `UPDATE muster_saga SET leased_until = 1 WHERE id = $1 AND fence = $2`, id, fence)
		return dbtest.Value[int64](w.t, w.db, `SELECT fence FROM muster_saga WHERE id = $1`, id) > fence
	})
}

// The first holder sleeps in a Remote step, another takes over, and while that one is
// in the same step the first wakes up: what it did is its own affair.
func paused(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	in, wake := make(chan int64, 9), map[int64]chan struct{}{1: make(chan struct{}), 2: make(chan struct{})}
	make1 := func() *saga.Saga[trip] {
		return w.trip(saga.Remote[trip]{Name: "a", Undo: w.out(nil), Do: func(ctx context.Context, d *trip) error {
			c, _ := saga.StepOf(ctx)
			in <- c.Fence
			w.block(wake[c.Fence])
			d.Token = map[int64]string{1: "old", 2: "new"}[c.Fence]
			return w.out(nil)(context.WithoutCancel(ctx), d)
		}}, w.local("b"))
	}
	s := make1()
	one := w.engine(open(), saga.Config{Owner: "one", Workers: 1}, s)
	w.start(s, "x")
	dbtest.Want(t, "fence", receive(t, in), 1)
	two := w.engine(open(), saga.Config{Owner: "two", Workers: 1}, make1())
	w.takeOver("x")
	dbtest.Want(t, "fence", receive(t, in), 2)
	close(wake[1])
	dbtest.Eventually(t, "the first to wake", func() bool { return len(w.done()) == 1 })
	one.stop() // it has tried to record what it did
	d := w.show(two.Engine, "x")
	if d.Step != "a" || d.Fence != 2 || strings.Contains(string(d.Data), "old") {
		t.Errorf("the first holder was heard: %+v, %s", d.Entry, d.Data)
	}
	dbtest.Want(t, "effects meanwhile", len(w.effects("x")), 0)
	close(wake[2])
	w.await("x", saga.Completed)
	if d := w.show(two.Engine, "x"); !strings.Contains(string(d.Data), "new") || strings.Contains(string(d.Data), "old") {
		t.Errorf("data %s", d.Data)
	}
	equal(t, "effects", w.effects("x"), "b/do", "end/do")
}

// A Local step begins after its holder was taken over: it must see that, and nothing
// that it writes may stay.
func pausedLocal(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	in, wake := make(chan struct{}), make(chan struct{})
	s := w.trip(w.local("a"), w.local("b"))
	holder := w.engine(open(), saga.Config{Owner: "one"}, s)
	w.say(func(c saga.Call, when string, tr tx.Tx) error {
		if c.Step != "b" || c.Fence > 1 {
			return nil
		}
		if when == before {
			// What another would do, were the lock of the row not there: SQLite has but one writer.
			_, err := tr.ExecContext(t.Context(), `UPDATE muster_saga SET fence = fence + 1, owner = 'two' WHERE id = $1`, c.ID)
			return err
		}
		close(in)
		w.block(wake)
		return nil
	})
	w.start(s, "x")
	receive(t, in)
	close(wake)
	// Its transition is refused, and all of its transaction with it, the usurper's mark too.
	dbtest.Eventually(t, "the transaction to be rolled back", func() bool {
		return dbtest.Value[string](t, w.db, `SELECT step FROM muster_saga WHERE id = 'x'`) == "b" &&
			dbtest.Value[int](t, w.db, `SELECT count(*) FROM effect WHERE step = 'b/do'`) == 0
	})
	w.say(nil)
	w.await("x", saga.Completed)
	holder.stop()
	equal(t, "effects", w.effects("x"), "a/do", "b/do", "end/do")
}

// A holder that was taken over between two steps does not begin the second.
func between(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	a := w.local("a")
	a.Do = func(ctx context.Context, t tx.Tx, d *trip) error {
		tx.AfterCommit(ctx, func() {
			dbtest.Execute(w.t, w.db, `UPDATE muster_saga SET fence = fence + 1, owner = 'another', leased_until = leased_until + 60000`)
		})
		return w.inTx(nil)(ctx, t, d)
	}
	s := w.trip(a, w.local("b"))
	w.say(func(c saga.Call, _ string, _ tx.Tx) error {
		if c.Step == "b" && c.Fence == 1 {
			t.Error("a holder that was taken over began a step")
		}
		return nil
	})
	w.engine(w.db, saga.Config{}, s)
	w.start(s, "x")
	dbtest.Eventually(t, "another to take over", func() bool {
		return dbtest.Value[int](t, w.db, `SELECT count(*) FROM muster_saga WHERE owner = 'another'`) == 1
	})
	w.lapse()
	w.await("x", saga.Completed)
	equal(t, "effects", w.effects("x"), "a/do", "b/do", "end/do")
	dbtest.Want(t, "fence", dbtest.Value[int](t, w.db, `SELECT fence FROM muster_saga`), 3)
}

func extended(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	wake := make(chan struct{})
	s := w.trip(w.remote("a"))
	w.say(func(_ saga.Call, when string, tr tx.Tx) error {
		if when == before && tr == nil {
			w.block(wake)
		}
		return nil
	})
	w.engine(w.db, saga.Config{}, s)
	w.start(s, "x")
	dbtest.Eventually(t, "a holder", func() bool {
		return dbtest.Value[int](t, w.db, `SELECT count(*) FROM muster_saga WHERE owner <> ''`) == 1
	})
	first := dbtest.Value[int64](t, w.db, `SELECT leased_until FROM muster_saga`)
	dbtest.Eventually(t, "a beat", func() bool { return dbtest.Value[int64](t, w.db, `SELECT leased_until FROM muster_saga`) > first })
	dbtest.Want(t, "fence", dbtest.Value[int64](t, w.db, `SELECT fence FROM muster_saga`), 1)
	close(wake)
	w.await("x", saga.Completed)
}

// stray: the answer to a claim may be lost, and the table then names an owner that
// knows nothing of it.
func stray(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	wake := make(chan struct{})
	s := w.trip(w.remote("a"))
	w.say(func(c saga.Call, when string, tr tx.Tx) error {
		if when == before && tr == nil && c.ID == "busy" {
			w.block(wake)
		}
		return nil
	})
	w.engine(w.db, saga.Config{}, s)
	w.start(s, "busy")
	dbtest.Eventually(t, "a holder", func() bool {
		return dbtest.Value[int](t, w.db, `SELECT count(*) FROM muster_saga WHERE owner <> ''`) == 1
	})
	dbtest.Succeed(t, tx.Do(t.Context(), w.db, func(ctx context.Context, t *sql.Tx) error {
		if err := s.Start(ctx, t, "stray", trip{}); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `UPDATE muster_saga SET leased_until = b.leased_until, owner = b.owner, fence = 1
			FROM (SELECT owner, leased_until FROM muster_saga WHERE id = 'busy') b WHERE id = 'stray'`)
		return err
	}))
	w.await("stray", saga.Completed)
	close(wake)
	w.await("busy", saga.Completed)
}

// takenOver: nobody ends the lease of a process that is gone.
func takenOver(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	first := open()
	died := make(chan struct{})
	w.say(func(c saga.Call, when string, tr tx.Tx) error {
		if c.Fence == 1 && when == after && tr == nil {
			_ = first.Close()
			close(died)
		}
		return nil
	})
	desk := w.trip(w.remote("a"), w.local("b"))
	w.desk(desk)
	one := w.engine(first, saga.Config{}, w.trip(w.remote("a"), w.local("b")))
	w.start(desk, "x")
	receive(t, died)
	begun := time.Now()
	w.engine(open(), saga.Config{}, w.trip(w.remote("a"), w.local("b")))
	w.await("x", saga.Completed)
	took := time.Since(begun)
	t.Logf("taken over and completed %s after the crash", took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("taken over after %s, want 5 s at most", took)
	}
	one.stop()
}
