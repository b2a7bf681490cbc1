package sagatest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

func runLost(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"a step that ends ten processes is paused":   lethal,
		"whatever is recorded clears the suspicion":  cleared,
		"a lease that was given back is not held":    givenBack,
		"those suspected are carried on one by one":  suspects,
		"what ended long ago is deleted by itself":   kept,
		"and not what others keep in the same table": keptForOthers,
	})
}

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// dies has one process after the other carry on a saga whose step ends it.
func (w *world) dies(desk *saga.Saga[trip], id, step string) {
	w.t.Helper()
	pool := w.open()
	died := make(chan struct{})
	w.say(func(c saga.Call, when string, tr tx.Tx) error {
		if c.ID != id || place(c) != step || when != before {
			return nil
		}
		if tr != nil {
			_ = tr.Rollback() // what a server does when its client is gone
		}
		_ = pool.Close() // so that nothing more can be written
		close(died)
		return errors.New("crashed")
	})
	one := w.engine(pool, saga.Config{}, w.trip(desk.Steps...))
	receive(w.t, died)
	one.stop()
	w.lapse()
}

func lethal(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	desk := w.trip(w.local("a"), w.remote("b"))
	e := w.desk(desk)
	w.start(desk, "x")
	for n := range 10 { // nine lost holders keep nobody from trying
		w.dies(desk, "x", "b/do")
		dbtest.Want(t, "lost before", w.show(e, "x").Lost, n)
	}
	var log journal
	w.say(func(c saga.Call, when string, _ tx.Tx) error {
		if place(c) == "b/do" && when == before {
			t.Error("carried on though ten holders were lost")
		}
		return nil
	})
	last := w.engine(open(), saga.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, w.trip(desk.Steps...))
	w.await("x", saga.Paused)
	d := w.show(e, "x")
	const why = `its last 10 holders ended in the middle of step "b"`
	if ev := d.History[len(d.History)-1]; ev.Outcome != "bug" || ev.Step != "b" || !strings.HasPrefix(ev.Error, why) || !strings.HasPrefix(d.Error, why) {
		t.Errorf("recorded: %+v, error %q", ev, d.Error)
	}
	dbtest.Want(t, "in doubt", d.Doubt, true)
	dbtest.Eventually(t, "an error in the log", func() bool {
		return strings.Contains(log.String(), "level=ERROR") && strings.Contains(log.String(), "its last 10 holders")
	})
	w.say(nil)
	dbtest.Succeed(t, last.Retry(t.Context(), "trip", "x", ann))
	w.await("x", saga.Completed)
	dbtest.Want(t, "lost in the end", w.show(e, "x").Lost, 0)
}

// orphan makes of a saga one whose holder vanished, as so many had before.
func (w *world) orphan(id string, lost int) {
	w.t.Helper()
	dbtest.Execute(w.t, w.db, `UPDATE muster_saga SET owner = 'gone', leased_until = 1, lost = $2 WHERE id = $1`, id, lost)
}

func (w *world) lost(id string) int {
	w.t.Helper()
	return dbtest.Value[int](w.t, w.db, `SELECT lost FROM muster_saga WHERE id = $1`, id)
}

// cleared: after nine lost holders the tenth's outcome is recorded, whatever it is; the
// outages of those who are asked, and kills far apart, pause nothing.
func cleared(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.trip(w.remote("a"), w.ask("b"))
	w.desk(s)
	told := map[string]error{
		"retry": saga.Retry(errors.New("away"), time.Hour), "unknown": saga.Unknown(errors.New("timeout")), "fault": errors.New("boom"),
	}
	w.say(func(c saga.Call, when string, _ tx.Tx) error {
		if when == before && c.Step == "a" && c.Attempt == 1 {
			return told[c.ID]
		}
		return nil
	})
	ids := []string{"retry", "unknown", "fault", "waits"}
	for _, id := range append(ids, "lethal") {
		w.start(s, id)
		w.orphan(id, 8)
	}
	w.orphan("lethal", 9)
	w.engine(w.db, saga.Config{}, w.trip(s.Steps...))
	for _, id := range ids {
		dbtest.Eventually(t, "an outcome of "+id, func() bool { return w.lost(id) == 0 })
	}
	w.await("waits", saga.Waiting)
	w.await("lethal", saga.Paused)
	dbtest.Want(t, "paused", dbtest.Value[int](t, w.db, `SELECT count(*) FROM muster_saga WHERE state = 'paused'`), 1)
}

// givenBack: a holder that let go has not vanished.
func givenBack(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.trip(w.remote("a"))
	w.desk(s)
	w.start(s, "x")
	w.orphan("x", 9)
	dbtest.Execute(t, w.db, `UPDATE muster_saga SET owner = '', leased_until = 0`)
	w.engine(w.db, saga.Config{}, w.trip(s.Steps...))
	w.await("x", saga.Completed)
}

// suspects: what ends its process takes those with it that are carried on beside it.
// They must not be paused for that, so of those suspected there is one at a time, and
// the others are not kept waiting.
func suspects(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	var mu sync.Mutex
	in, most := 0, 0
	wake, entered := make(chan struct{}), make(chan string, 20)
	a := saga.Remote[trip]{Name: "a", Undo: w.out(nil), Do: func(ctx context.Context, _ *trip) error {
		c, _ := saga.StepOf(ctx)
		if c.ID == "fresh" {
			return nil
		}
		mu.Lock()
		in++
		most = max(most, in)
		mu.Unlock()
		entered <- c.ID
		w.block(wake)
		mu.Lock()
		defer mu.Unlock()
		in--
		return nil
	}}
	s := w.trip(a, w.local("b"))
	w.desk(s)
	for n := range 6 {
		w.start(s, fmt.Sprint("s", n))
		w.orphan(fmt.Sprint("s", n), 5)
	}
	w.engine(w.db, saga.Config{Workers: 8}, w.trip(s.Steps...))
	receive(t, entered)
	w.start(s, "fresh")
	w.await("fresh", saga.Completed)
	dbtest.Want(t, "held", dbtest.Value[int](t, w.db, `SELECT count(*) FROM muster_saga WHERE owner NOT IN ('', 'gone')`), 1)
	close(wake)
	for n := range 6 {
		w.await(fmt.Sprint("s", n), saga.Completed)
	}
	mu.Lock()
	defer mu.Unlock()
	dbtest.Want(t, "at the same time", most, 1)
}

// kept: a saga that ended is there for as long as Keep says; then its id is free.
func kept(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	s := w.trip(w.local("a"), w.local("b"))
	w.say(func(c saga.Call, _ string, _ tx.Tx) error {
		if c.ID == "stuck" && c.Step == "b" {
			return saga.Bug(errors.New("boom"))
		}
		return nil
	})
	w.engine(w.db, saga.Config{Keep: time.Second}, s)
	w.start(s, "stuck")
	w.await("stuck", saga.Paused)
	w.start(s, "x")
	begun := time.Now()
	dbtest.Eventually(t, "x to be deleted", func() bool {
		return dbtest.Value[int](t, w.db, `SELECT (SELECT count(*) FROM muster_saga WHERE id = 'x') + (SELECT count(*) FROM muster_saga_step WHERE id = 'x')`) == 0
	})
	if took := time.Since(begun); took < time.Second {
		t.Errorf("deleted after %s", took)
	}
	equal(t, "effects", w.effects("x"), "a/do", "b/do", "end/do")
	w.start(s, "x") // no ErrExists
	dbtest.Want(t, "what has not ended", dbtest.Value[string](t, w.db, `SELECT state FROM muster_saga WHERE id = 'stuck'`), string(saga.Paused))
}

func keptForOthers(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	s := w.trip(w.local("a"))
	w.desk(s)
	for _, id := range []string{"mine", "other"} {
		w.start(s, id)
	}
	dbtest.Execute(t, w.db, `UPDATE muster_saga SET state = 'completed', updated = 1`)
	dbtest.Execute(t, w.db, `UPDATE muster_saga SET name = 'other' WHERE id = 'other'`)
	w.engine(w.db, saga.Config{Keep: time.Second}, w.trip(s.Steps...))
	dbtest.Eventually(t, "a sweep", func() bool {
		return dbtest.Value[int](t, w.db, `SELECT count(*) FROM muster_saga WHERE id = 'mine'`) == 0
	})
	dbtest.Want(t, "of another name", dbtest.Value[int](t, w.db, `SELECT count(*) FROM muster_saga`), 1)
	n, err := saga.Sweep(t.Context(), w.db, 0)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "swept by hand", n, 1)
}
