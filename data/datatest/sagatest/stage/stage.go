// Package stage is what the suite of sagas is played on: a database with sagas, those that
// their steps ask, and engines that come and go.
package stage

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

// Trip is the data of the suite's sagas.
type Trip struct {
	Trail []string // what was done, as the saga's own data tell
	Token string
}

// World is a database with sagas, and the others that their Remote steps ask.
type World struct {
	T    testing.TB
	Open func() *sql.DB
	DB   *sql.DB

	Mu    sync.Mutex
	Begun time.Time
	Calls map[string]int   // of Remote steps, by key
	Order []Try            // all tries that had an effect
	Seen  map[string]int64 // the largest fence of each saga
	End   sync.Once
	Over  chan struct{} // closed when the test is, so that no step waits on

	// Tell is asked before and after each effect what is to become of the try.
	Tell func(c saga.Call, when string, t tx.Tx) error
}

// When a try is told of: before its effect or after it.
const (
	Before = "before"
	After  = "after"
)

// New makes a world.
func New(t testing.TB, open func() *sql.DB) *World {
	t.Helper()
	w := &World{T: t, Open: open, DB: open(), Begun: time.Now(), Calls: map[string]int{}, Seen: map[string]int64{}, Over: make(chan struct{})}
	dbtest.Succeed(t, saga.Migrate(t.Context(), w.DB))
	dbtest.Execute(t, w.DB, `CREATE TABLE effect (saga TEXT NOT NULL, step TEXT NOT NULL)`)
	return w
}

// Told is what becomes of a try.
func (w *World) Told(c saga.Call, when string, t tx.Tx) error {
	w.Mu.Lock()
	tell := w.Tell
	if when == Before {
		if c.Fence < w.Seen[c.ID] {
			w.T.Errorf("%s/%s: fence %d after %d", c.ID, Place(c), c.Fence, w.Seen[c.ID])
		}
		w.Seen[c.ID] = max(c.Fence, w.Seen[c.ID])
	} else {
		w.Order = append(w.Order, Try{Place(c), c.Fence})
		if t == nil {
			w.Calls[c.Key()]++
		}
	}
	w.Mu.Unlock()
	if tell == nil {
		return nil
	}
	return tell(c, when, t)
}

// Place names a try: "pay/do".
func Place(c saga.Call) string {
	if c.Undo {
		return c.Step + "/undo"
	}
	return c.Step + "/do"
}

// InTx is a Do or Undo of a Local step, that waits in the end or not.
func (w *World) InTx(ends error) func(context.Context, tx.Tx, *Trip) error {
	return func(ctx context.Context, t tx.Tx, d *Trip) error {
		c, _ := saga.StepOf(ctx)
		if err := w.Told(c, Before, t); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO effect VALUES ($1, $2)`, c.ID, Place(c)); err != nil {
			return err
		}
		d.Trail = append(d.Trail, Place(c))
		return errors.Join(w.Told(c, After, t), ends)
	}
}

// Out is a Do or Undo of a Remote step.
func (w *World) Out(ends error) func(context.Context, *Trip) error {
	return func(ctx context.Context, d *Trip) error {
		c, _ := saga.StepOf(ctx)
		if err := w.Told(c, Before, nil); err != nil {
			return err
		}
		d.Trail = append(d.Trail, Place(c))
		return errors.Join(w.Told(c, After, nil), ends)
	}
}

// Local is a step in the database.
func (w *World) Local(name string) saga.Local[Trip] {
	return saga.Local[Trip]{Name: name, Do: w.InTx(nil), Undo: w.InTx(nil)}
}

// Ask is a step whose Do and Undo wait for answers.
func (w *World) Ask(name string) saga.Local[Trip] {
	return saga.Local[Trip]{Name: name, Do: w.InTx(saga.Wait), Undo: w.InTx(saga.Wait)}
}

// Remote is a step that asks others.
func (w *World) Remote(name string) saga.Remote[Trip] {
	return saga.Remote[Trip]{Name: name, Do: w.Out(nil), Undo: w.Out(nil)}
}

// Trip is a saga of these steps; its hooks leave effects too.
func (w *World) Trip(steps ...saga.Step[Trip]) *saga.Saga[Trip] {
	return &saga.Saga[Trip]{
		Name: "trip", Version: 1, Steps: steps, Completed: w.InTx(nil),
		Compensated: func(ctx context.Context, t tx.Tx, d *Trip, reason string) error {
			d.Trail = append(d.Trail, "because "+reason)
			return w.InTx(nil)(ctx, t, d)
		},
	}
}

// Engine is one that runs, as in a process of its own.
type Engine struct {
	*saga.Engine
	DB   *sql.DB
	Stop func() // and wait until it has
}

// Engine begins to run one; it is stopped when the test ends.
func (w *World) Engine(db *sql.DB, cfg saga.Config, sagas ...saga.Definition) *Engine {
	w.T.Helper()
	e, err := saga.New(db, cfg, sagas...)
	dbtest.Succeed(w.T, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.T.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		late := time.NewTimer(dbtest.Patience)
		defer late.Stop()
		select {
		case err := <-ended:
			if err != nil {
				w.T.Error("the engine ended with", err)
			}
		case <-late.C:
			w.T.Error("the engine does not stop")
		}
	})
	w.T.Cleanup(func() {
		w.End.Do(func() {
			if w.Over != nil {
				close(w.Over)
			}
		})
		stop()
	})
	return &Engine{e, db, stop}
}

// Desk is a saga that is not carried out here: to start it, and to answer it.
func (w *World) Desk(s *saga.Saga[Trip]) *saga.Engine {
	w.T.Helper()
	e, err := saga.New(w.DB, saga.Config{}, s)
	dbtest.Succeed(w.T, err)
	return e
}

// Start begins a saga.
func (w *World) Start(s *saga.Saga[Trip], id string) {
	w.T.Helper()
	dbtest.Succeed(w.T, tx.Do(w.T.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error { return s.Start(ctx, t, id, Trip{}) }))
}

// Answer answers a step.
func (w *World) Answer(s *saga.Saga[Trip], id, step string, result error) error {
	return tx.Do(w.T.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error { return s.Answer(ctx, t, id, step, result, nil) })
}

// AnswerUndo answers the undoing of a step.
func (w *World) AnswerUndo(s *saga.Saga[Trip], id, step string, result error) error {
	return tx.Do(w.T.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error { return s.AnswerUndo(ctx, t, id, step, result, nil) })
}

// Await waits until a saga is in a state, and free.
func (w *World) Await(id string, state saga.State) {
	w.T.Helper()
	var got string
	defer func() {
		if w.T.Failed() {
			w.T.Log("trip", id, "was", got)
		}
	}()
	dbtest.Eventually(w.T, fmt.Sprint(id, " to be ", state), func() bool {
		got = dbtest.Value[string](w.T, w.DB, `SELECT state || ' at ' || step || ' ' || error || CASE WHEN owner = '' THEN '' ELSE ' held' END FROM muster_saga WHERE name = 'trip' AND id = $1`, id)
		return strings.HasPrefix(got, string(state)+" ") && !strings.HasSuffix(got, " held")
	})
}

// Effects are what a saga's Local steps did, in order.
func (w *World) Effects(id string) []string {
	w.T.Helper()
	rows, err := w.DB.QueryContext(w.T.Context(), `SELECT step FROM effect WHERE saga = $1`, id)
	dbtest.Succeed(w.T, err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		dbtest.Succeed(w.T, rows.Scan(&s))
		list = append(list, s)
	}
	dbtest.Succeed(w.T, rows.Err())
	return list
}

// Say sets what becomes of each try.
func (w *World) Say(tell func(c saga.Call, when string, t tx.Tx) error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Tell = tell
}

// Show is a saga with its history, as any engine shows it.
func (w *World) Show(e *saga.Engine, id string) saga.Detail {
	w.T.Helper()
	d, err := e.Show(w.T.Context(), "trip", id)
	dbtest.Succeed(w.T, err)
	return d
}

// Free wants that no lease is held.
func (w *World) Free() {
	w.T.Helper()
	dbtest.Want(w.T, "leases", dbtest.Value[int](w.T, w.DB, `SELECT count(*) FROM muster_saga WHERE owner <> '' OR leased_until <> 0`), 0)
}

// Lapse ends all leases, as if their time had passed. Before, those are stopped who are to lose theirs: a pool
// that was closed still ends the transactions it is in, and a claim under way would take the lease anew.
func (w *World) Lapse() {
	w.T.Helper()
	dbtest.Execute(w.T, w.DB, `UPDATE muster_saga SET leased_until = 1 WHERE owner <> ''`)
}

// Equal compares two lists.
func Equal(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, " "), strings.Join(want, " "))
	}
}

// Block has a step wait, whatever its context says, until ch is closed or the test ends.
func (w *World) Block(ch <-chan struct{}) {
	select {
	case <-ch:
	case <-w.Over:
	}
}

// Receive waits for what a step is to send, or for the step to close ch.
func Receive[T any](t testing.TB, ch <-chan T) (v T) {
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
