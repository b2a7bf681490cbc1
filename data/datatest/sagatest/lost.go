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
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
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
	w.T.Helper()
	pool := w.Open()
	died := make(chan struct{})
	w.Say(func(c saga.Call, when string, tr tx.Tx) error {
		if c.ID != id || stage.Place(c) != step || when != stage.Before {
			return nil
		}
		if tr != nil {
			_ = tr.Rollback() // what a server does when its client is gone
		}
		_ = pool.Close() // so that nothing more can be written
		close(died)
		return errors.New("crashed")
	})
	one := w.Engine(pool, saga.Config{}, w.Trip(desk.Steps...))
	stage.Receive(w.T, died)
	one.Stop()
	w.Lapse()
}

func lethal(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	desk := w.Trip(w.Local("a"), w.Remote("b"))
	e := w.Desk(desk)
	w.Start(desk, "x")
	for n := range 10 { // nine lost holders keep nobody from trying
		w.dies(desk, "x", "b/do")
		dbtest.Want(t, "lost before", w.Show(e, "x").Lost, n)
	}
	var log journal
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if stage.Place(c) == "b/do" && when == stage.Before {
			t.Error("carried on though ten holders were lost")
		}
		return nil
	})
	last := w.Engine(open(), saga.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, w.Trip(desk.Steps...))
	w.Await("x", saga.Paused)
	d := w.Show(e, "x")
	const why = `its last 10 holders ended in the middle of step "b"`
	if ev := d.History[len(d.History)-1]; ev.Outcome != "bug" || ev.Step != "b" || !strings.HasPrefix(ev.Error, why) || !strings.HasPrefix(d.Error, why) {
		t.Errorf("recorded: %+v, error %q", ev, d.Error)
	}
	dbtest.Want(t, "in doubt", d.Doubt, true)
	dbtest.Eventually(t, "an error in the log", func() bool {
		return strings.Contains(log.String(), "level=ERROR") && strings.Contains(log.String(), "its last 10 holders")
	})
	w.Say(nil)
	dbtest.Succeed(t, last.Retry(t.Context(), "trip", "x", ann))
	w.Await("x", saga.Completed)
	dbtest.Want(t, "lost in the end", w.Show(e, "x").Lost, 0)
}

// orphan makes of a saga one whose holder vanished, as so many had before.
func (w *world) orphan(id string, lost int) {
	w.T.Helper()
	dbtest.Execute(w.T, w.DB, `UPDATE muster_saga SET owner = 'gone', leased_until = 1, lost = $2 WHERE id = $1`, id, lost)
}

func (w *world) lost(id string) int {
	w.T.Helper()
	return dbtest.Value[int](w.T, w.DB, `SELECT lost FROM muster_saga WHERE id = $1`, id)
}

// cleared: after nine lost holders the tenth's outcome is recorded, whatever it is; the
// outages of those who are asked, and kills far apart, pause nothing.
func cleared(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Remote("a"), w.Ask("b"))
	w.Desk(s)
	told := map[string]error{
		"retry": saga.Retry(errors.New("away"), time.Hour), "unknown": saga.Unknown(errors.New("timeout")), "fault": errors.New("boom"),
	}
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if when == stage.Before && c.Step == "a" && c.Attempt == 1 {
			return told[c.ID]
		}
		return nil
	})
	ids := []string{"retry", "unknown", "fault", "waits"}
	for _, id := range append(ids, "lethal") {
		w.Start(s, id)
		w.orphan(id, 8)
	}
	w.orphan("lethal", 9)
	w.Engine(w.DB, saga.Config{}, w.Trip(s.Steps...))
	for _, id := range ids {
		dbtest.Eventually(t, "an outcome of "+id, func() bool { return w.lost(id) == 0 })
	}
	w.Await("waits", saga.Waiting)
	w.Await("lethal", saga.Paused)
	dbtest.Want(t, "paused", dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE state = 'paused'`), 1)
}

// givenBack: a holder that let go has not vanished.
func givenBack(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Remote("a"))
	w.Desk(s)
	w.Start(s, "x")
	w.orphan("x", 9)
	dbtest.Execute(t, w.DB, `UPDATE muster_saga SET owner = '', leased_until = 0`)
	w.Engine(w.DB, saga.Config{}, w.Trip(s.Steps...))
	w.Await("x", saga.Completed)
}

// suspects: what ends its process takes those with it that are carried on beside it.
// They must not be paused for that, so of those suspected there is one at a time, and
// the others are not kept waiting.
func suspects(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	var mu sync.Mutex
	in, most := 0, 0
	wake, entered := make(chan struct{}), make(chan string, 20)
	a := saga.Remote[trip]{Name: "a", Undo: w.Out(nil), Do: func(ctx context.Context, _ *trip) error {
		c, _ := saga.StepOf(ctx)
		if c.ID == "fresh" {
			return nil
		}
		mu.Lock()
		in++
		most = max(most, in)
		mu.Unlock()
		entered <- c.ID
		w.Block(wake)
		mu.Lock()
		defer mu.Unlock()
		in--
		return nil
	}}
	s := w.Trip(a, w.Local("b"))
	w.Desk(s)
	for n := range 6 {
		w.Start(s, fmt.Sprint("s", n))
		w.orphan(fmt.Sprint("s", n), 5)
	}
	w.Engine(w.DB, saga.Config{Workers: 8}, w.Trip(s.Steps...))
	stage.Receive(t, entered)
	w.Start(s, "fresh")
	w.Await("fresh", saga.Completed)
	dbtest.Want(t, "held", dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE owner NOT IN ('', 'gone')`), 1)
	close(wake)
	for n := range 6 {
		w.Await(fmt.Sprint("s", n), saga.Completed)
	}
	mu.Lock()
	defer mu.Unlock()
	dbtest.Want(t, "at the same time", most, 1)
}

// kept: a saga that ended is there for as long as Keep says; then its id is free.
func kept(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Local("b"))
	w.Say(func(c saga.Call, _ string, _ tx.Tx) error {
		if c.ID == "stuck" && c.Step == "b" {
			return saga.Bug(errors.New("boom"))
		}
		return nil
	})
	w.Engine(w.DB, saga.Config{Keep: time.Second}, s)
	w.Start(s, "stuck")
	w.Await("stuck", saga.Paused)
	w.Start(s, "x")
	begun := time.Now()
	dbtest.Eventually(t, "x to be deleted", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT (SELECT count(*) FROM muster_saga WHERE id = 'x') + (SELECT count(*) FROM muster_saga_step WHERE id = 'x')`) == 0
	})
	if took := time.Since(begun); took < time.Second {
		t.Errorf("deleted after %s", took)
	}
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "b/do", "end/do")
	w.Start(s, "x") // no ErrExists
	dbtest.Want(t, "what has not ended", dbtest.Value[string](t, w.DB, `SELECT state FROM muster_saga WHERE id = 'stuck'`), string(saga.Paused))
}

func keptForOthers(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"))
	w.Desk(s)
	for _, id := range []string{"mine", "other"} {
		w.Start(s, id)
	}
	dbtest.Execute(t, w.DB, `UPDATE muster_saga SET state = 'completed', updated = 1`)
	dbtest.Execute(t, w.DB, `UPDATE muster_saga SET name = 'other' WHERE id = 'other'`)
	w.Engine(w.DB, saga.Config{Keep: time.Second}, w.Trip(s.Steps...))
	dbtest.Eventually(t, "a sweep", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE id = 'mine'`) == 0
	})
	dbtest.Want(t, "of another name", dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga`), 1)
	n, err := saga.Sweep(t.Context(), w.DB, 0)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "swept by hand", n, 1)
}
