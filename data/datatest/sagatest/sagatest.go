// Package sagatest is the part of the suite of package datatest that holds what
// package saga promises against a real engine.
package sagatest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// Run runs the suite. A driver's tests call it.
func Run(t *testing.T, fresh dbtest.Fresh) {
	for name, test := range map[string]func(*testing.T, dbtest.Fresh){
		"steps":  runSteps,
		"crash":  runCrash,
		"fence":  runFence,
		"many":   runMany,
		"answer": runAnswer,
		"people": runPeople,
		"http":   runHTTP,
		"lost":   runLost,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh) })
	}
}

// trip is the data of the suite's sagas.
type trip struct {
	Trail []string // what was done, as the saga's own data tell
	Token string
}

// world is a database with sagas, and the others that their Remote steps ask.
type world struct {
	t    testing.TB
	open func() *sql.DB
	db   *sql.DB

	mu    sync.Mutex
	calls map[string]int   // of Remote steps, by key
	order []string         // all tries that had an effect: "pay/do"
	seen  map[string]int64 // the largest fence of each saga
	end   sync.Once
	over  chan struct{} // closed when the test is, so that no step waits on

	// tell is asked before and after each effect what is to become of the try.
	tell func(c saga.Call, when string, t tx.Tx) error
}

const (
	before = "before"
	after  = "after"
)

func newWorld(t testing.TB, open func() *sql.DB) *world {
	t.Helper()
	w := &world{t: t, open: open, db: open(), calls: map[string]int{}, seen: map[string]int64{}, over: make(chan struct{})}
	dbtest.Succeed(t, saga.Migrate(t.Context(), w.db))
	dbtest.Execute(t, w.db, `CREATE TABLE effect (saga TEXT NOT NULL, step TEXT NOT NULL)`)
	return w
}

// told is what becomes of a try.
func (w *world) told(c saga.Call, when string, t tx.Tx) error {
	w.mu.Lock()
	tell := w.tell
	if when == before {
		if c.Fence < w.seen[c.ID] {
			w.t.Errorf("%s/%s: fence %d after %d", c.ID, place(c), c.Fence, w.seen[c.ID])
		}
		w.seen[c.ID] = max(c.Fence, w.seen[c.ID])
	} else {
		w.order = append(w.order, place(c))
		if t == nil {
			w.calls[c.Key()]++
		}
	}
	w.mu.Unlock()
	if tell == nil {
		return nil
	}
	return tell(c, when, t)
}

func place(c saga.Call) string {
	if c.Undo {
		return c.Step + "/undo"
	}
	return c.Step + "/do"
}

// inTx is a Do or Undo of a Local step, that waits in the end or not.
func (w *world) inTx(ends error) func(context.Context, tx.Tx, *trip) error {
	return func(ctx context.Context, t tx.Tx, d *trip) error {
		c, _ := saga.StepOf(ctx)
		if err := w.told(c, before, t); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO effect VALUES ($1, $2)`, c.ID, place(c)); err != nil {
			return err
		}
		d.Trail = append(d.Trail, place(c))
		return errors.Join(w.told(c, after, t), ends)
	}
}

// out is a Do or Undo of a Remote step.
func (w *world) out(ends error) func(context.Context, *trip) error {
	return func(ctx context.Context, d *trip) error {
		c, _ := saga.StepOf(ctx)
		if err := w.told(c, before, nil); err != nil {
			return err
		}
		d.Trail = append(d.Trail, place(c))
		return errors.Join(w.told(c, after, nil), ends)
	}
}

func (w *world) local(name string) saga.Local[trip] {
	return saga.Local[trip]{Name: name, Do: w.inTx(nil), Undo: w.inTx(nil)}
}

// ask is a step whose Do and Undo wait for answers.
func (w *world) ask(name string) saga.Local[trip] {
	return saga.Local[trip]{Name: name, Do: w.inTx(saga.Wait), Undo: w.inTx(saga.Wait)}
}

func (w *world) remote(name string) saga.Remote[trip] {
	return saga.Remote[trip]{Name: name, Do: w.out(nil), Undo: w.out(nil)}
}

// trip is a saga of these steps; its hooks leave effects too.
func (w *world) trip(steps ...saga.Step[trip]) *saga.Saga[trip] {
	return &saga.Saga[trip]{
		Name: "trip", Version: 1, Steps: steps, Completed: w.inTx(nil),
		Compensated: func(ctx context.Context, t tx.Tx, d *trip, reason string) error {
			d.Trail = append(d.Trail, "because "+reason)
			return w.inTx(nil)(ctx, t, d)
		},
	}
}

// engine is one that runs, as in a process of its own.
type engine struct {
	*saga.Engine
	db   *sql.DB
	stop func() // and wait until it has
}

func (w *world) engine(db *sql.DB, cfg saga.Config, sagas ...saga.Definition) *engine {
	w.t.Helper()
	e, err := saga.New(db, cfg, sagas...)
	dbtest.Succeed(w.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		late := time.NewTimer(dbtest.Patience)
		defer late.Stop()
		select {
		case err := <-ended:
			if err != nil {
				w.t.Error("the engine ended with", err)
			}
		case <-late.C:
			w.t.Error("the engine does not stop")
		}
	})
	w.t.Cleanup(func() {
		w.end.Do(func() {
			if w.over != nil {
				close(w.over)
			}
		})
		stop()
	})
	return &engine{e, db, stop}
}

// desk is a saga that is not carried out here: to start it, and to answer it.
func (w *world) desk(s *saga.Saga[trip]) *saga.Engine {
	w.t.Helper()
	e, err := saga.New(w.db, saga.Config{}, s)
	dbtest.Succeed(w.t, err)
	return e
}

func (w *world) start(s *saga.Saga[trip], id string) {
	w.t.Helper()
	dbtest.Succeed(w.t, tx.Do(w.t.Context(), w.db, func(ctx context.Context, t *sql.Tx) error { return s.Start(ctx, t, id, trip{}) }))
}

func (w *world) answer(s *saga.Saga[trip], id, step string, result error) error {
	return tx.Do(w.t.Context(), w.db, func(ctx context.Context, t *sql.Tx) error { return s.Answer(ctx, t, id, step, result, nil) })
}

func (w *world) answerUndo(s *saga.Saga[trip], id, step string, result error) error {
	return tx.Do(w.t.Context(), w.db, func(ctx context.Context, t *sql.Tx) error { return s.AnswerUndo(ctx, t, id, step, result, nil) })
}

// await waits until a saga is in a state, and free.
func (w *world) await(id string, state saga.State) {
	w.t.Helper()
	var got string
	defer func() {
		if w.t.Failed() {
			w.t.Log("trip", id, "was", got)
		}
	}()
	dbtest.Eventually(w.t, fmt.Sprint(id, " to be ", state), func() bool {
		got = dbtest.Value[string](w.t, w.db, `SELECT state || ' at ' || step || ' ' || error || CASE WHEN owner = '' THEN '' ELSE ' held' END FROM muster_saga WHERE name = 'trip' AND id = $1`, id)
		return strings.HasPrefix(got, string(state)+" ") && !strings.HasSuffix(got, " held")
	})
}

// effects are what a saga's Local steps did, in order.
func (w *world) effects(id string) []string {
	w.t.Helper()
	rows, err := w.db.QueryContext(w.t.Context(), `SELECT step FROM effect WHERE saga = $1`, id)
	dbtest.Succeed(w.t, err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		dbtest.Succeed(w.t, rows.Scan(&s))
		list = append(list, s)
	}
	dbtest.Succeed(w.t, rows.Err())
	return list
}

func (w *world) done() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.order)
}

// forget is as if nothing had been.
func (w *world) forget() {
	w.t.Helper()
	for _, table := range []string{"muster_saga", "muster_saga_step", "effect"} {
		dbtest.Execute(w.t, w.db, "DELETE FROM "+table)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.order, w.calls, w.seen = nil, map[string]int{}, map[string]int64{}
}

func (w *world) say(tell func(c saga.Call, when string, t tx.Tx) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell = tell
}

// show is a saga with its history, as any engine shows it.
func (w *world) show(e *saga.Engine, id string) saga.Detail {
	w.t.Helper()
	d, err := e.Show(w.t.Context(), "trip", id)
	dbtest.Succeed(w.t, err)
	return d
}

func (w *world) free() {
	w.t.Helper()
	dbtest.Want(w.t, "leases", dbtest.Value[int](w.t, w.db, `SELECT count(*) FROM muster_saga WHERE owner <> '' OR leased_until <> 0`), 0)
}

// lapse ends all leases, as if their time had passed.
func (w *world) lapse() {
	w.t.Helper()
	dbtest.Execute(w.t, w.db, `UPDATE muster_saga SET leased_until = 1 WHERE owner <> ''`)
}

func equal(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, " "), strings.Join(want, " "))
	}
}

// block has a step wait, whatever its context says, until ch is closed or the test ends.
func (w *world) block(ch <-chan struct{}) {
	select {
	case <-ch:
	case <-w.over:
	}
}

// receive waits for what a step is to send, or for the step to close ch.
func receive[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	late := time.NewTimer(dbtest.Patience)
	defer late.Stop()
	select {
	case v = <-ch:
	case <-late.C:
		t.Fatal("waited in vain for a step")
	}
	return v
}
