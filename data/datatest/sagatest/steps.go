package sagatest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func runSteps(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"all of them, in order":           stepsInOrder,
		"what a try comes to":             outcomes,
		"undone in reverse":               undone,
		"started once, or not at all":     startedOnce,
		"an undo does not give up":        undoing,
		"a hook that fails is repeated":   hooks,
		"found without being woken":       found,
		"stopped and started anew":        restarted,
		"what is not known is left alone": versions,
		"without tables":                  unmigrated,
		"swept":                           swept,
	})
}

func stepsInOrder(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Remote("b"), w.Local("c"), w.Remote("d"))
	e := w.Engine(w.DB, saga.Config{Owner: "one"}, s)
	var calls []saga.Call
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if when == stage.Before {
			calls = append(calls, c) // one worker has it
		}
		return nil
	})
	w.Start(s, "x")
	w.Await("x", saga.Completed)
	want := []string{"a/do", "b/do", "c/do", "d/do", "end/do"}
	w.Path("done", want...)
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "c/do", "end/do")
	d := w.Show(e.Engine, "x")
	var data trip
	dbtest.Succeed(t, json.Unmarshal(d.Data, &data))
	stage.Equal(t, "trail", data.Trail, want...)
	var history []string
	for _, ev := range d.History {
		history = append(history, ev.Step+" "+ev.Outcome)
	}
	stage.Equal(t, "history", history, "a started", "a done", "b done", "c done", "d done", "end done")
	most := int64(1 + w.Lapses())
	dbtest.Want(t, "fence", d.Fence <= most, true)
	dbtest.Want(t, "loadable", d.Loadable, true)
	for i, c := range calls {
		if c.Saga != "trip" || c.ID != "x" || c.Fence > most || c.Attempt != 1 || c.Undo || c.Key() != "trip/x/"+c.Step+"/do" {
			t.Errorf("try %d: %+v", i, c)
		}
	}
	quiet, err := e.Quiet(t.Context())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "quiet", quiet, true)
	w.Free()
}

// Each outcome, of a step before the pivot that is tried once more after it.
func outcomes(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	boom := errors.New("boom")
	refused := map[string]error{
		"reject":       saga.Reject("no room"),
		"wrapped":      errors.Join(errors.New("asked"), saga.Reject("no room")),
		"not-found":    problem.New(problem.NotFound, "no such thing"),
		"invalid":      problem.New(problem.InvalidArgument, "bad"),
		"conflict":     problem.New(problem.Conflict, "taken"),
		"gone":         problem.New(problem.Gone, "gone"),
		"precondition": problem.New(problem.FailedPrecondition, "no"),
		"no-sense":     problem.New(problem.Unprocessable, "no"),
	}
	again := map[string]error{
		"retry":       saga.Retry(boom, time.Millisecond),
		"unknown":     saga.Unknown(boom),
		"unavailable": problem.New(problem.Unavailable, "away"),
		"exhausted":   problem.New(problem.ResourceExhausted, "full").WithRetryAfter(time.Millisecond),
		"in-flight":   problem.New(problem.Conflict, "busy").WithRetryAfter(time.Millisecond),
		"deadline":    context.DeadlineExceeded,
		"not-known":   problem.New(problem.Unknown, "?"),
		"plain":       boom,
		"internal":    problem.New(problem.Internal, "oops"),
	}
	stopped := map[string]error{"bug": saga.Bug(boom), "panic": nil}
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if c.Step != "b" || when != stage.Before || c.Undo {
			return nil
		}
		if err := refused[c.ID]; err != nil {
			return err
		}
		if err := again[c.ID]; err != nil && c.Attempt == 1 {
			return err
		}
		if err, ok := stopped[c.ID]; ok {
			if err == nil {
				panic("ouch")
			}
			return err
		}
		return nil
	})
	for name, step := range map[string]saga.Step[trip]{"local": w.Local("b"), "remote": w.Remote("b")} {
		s := w.Trip(w.Local("a"), step, w.Local("c"))
		e := w.Engine(w.DB, saga.Config{}, s)
		for want, group := range map[saga.State]map[string]error{saga.Compensated: refused, saga.Completed: again, saga.Paused: stopped} {
			for id := range group {
				w.Start(s, id)
			}
			for id, err := range group {
				w.Await(id, want)
				if d := w.Show(e.Engine, id); want == saga.Compensated && (d.Reason == "" || d.Step != "end") ||
					want == saga.Paused && (d.Error == "" || d.Step != "b") {
					t.Errorf("%s, %s (%v): %+v", name, id, err, d)
				}
				if want == saga.Compensated {
					stage.Equal(t, name+" "+id, w.Effects(id), "a/do", "a/undo", "end/undo")
				}
			}
		}
		e.Stop()
		w.Free()
		w.Forget()
	}
}

// Whatever step refuses, those before it are undone in reverse; the step itself too
// where an attempt before may have had an effect.
func undone(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	steps := func(name string) saga.Step[trip] { return w.Remote(name) }
	s := w.Trip(steps("a"), w.Local("b"), saga.Remote[trip]{Name: "c", Do: w.Out(nil), NoUndo: true}, steps("d"), steps("e"))
	w.Engine(w.DB, saga.Config{}, s)
	tests := map[string][]string{
		"a": {"end/undo"},
		"b": {"a/do", "a/undo", "end/undo"},
		"c": {"a/do", "b/do", "b/undo", "a/undo", "end/undo"},
		"d": {"a/do", "b/do", "c/do", "b/undo", "a/undo", "end/undo"},
		"e": {"a/do", "b/do", "c/do", "d/do", "d/undo", "b/undo", "a/undo", "end/undo"},
	}
	for id, want := range tests {
		for _, first := range []error{nil, saga.Unknown(errors.New("timeout")), errors.New("reset"), saga.Retry(errors.New("busy"), time.Millisecond)} {
			w.Say(func(c saga.Call, when string, _ tx.Tx) error {
				switch {
				case c.Undo || c.Step != id || when != stage.Before:
					return nil
				case c.Attempt == 1 && first != nil:
					return first
				}
				return saga.Reject("no")
			})
			w.Forget()
			w.Start(s, id)
			w.Await(id, saga.Compensated)
			expect := want
			if doubt := first != nil && first.Error() != "busy"; doubt && id != "b" && id != "c" { // b is Local: it was rolled back
				n := 0
				for n < len(want) && want[n][len(want[n])-3:] == "/do" {
					n++
				}
				expect = append(append(append([]string{}, want[:n]...), id+"/undo"), want[n:]...)
			}
			w.Path(id+" refused", expect...)
		}
	}
}

func startedOnce(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"))
	if err := s.Start(t.Context(), nil, "x", trip{}); err == nil {
		t.Error("a saga without an engine was started")
	}
	w.Engine(w.DB, saga.Config{}, s)
	boom := errors.New("boom")
	err := tx.Do(t.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error {
		return errors.Join(s.Start(ctx, t, "x", trip{}), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	w.Start(s, "x")
	dbtest.Succeed(t, tx.Do(t.Context(), w.DB, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.Start(ctx, tx, "x", trip{}); !errors.Is(err, saga.ErrExists) || problem.CodeOf(err) != problem.Conflict {
			t.Errorf("started twice: %v", err)
		}
		return s.Start(ctx, tx, "y", trip{}) // the transaction goes on
	}))
	for _, id := range []string{"", "a b", "a/b", "é", string(make([]byte, 129))} {
		err := tx.Do(t.Context(), w.DB, func(ctx context.Context, t *sql.Tx) error { return s.Start(ctx, t, id, trip{}) })
		if problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("id %q: %v", id, err)
		}
	}
	w.Await("x", saga.Completed)
	w.Await("y", saga.Completed)
	stage.Equal(t, "effects", w.Effects("x"), "a/do", "end/do")
	dbtest.Want(t, "sagas", dbtest.Value[int](t, w.DB, "SELECT count(*) FROM muster_saga"), 2)
}

func undoing(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Remote("a"), w.Local("b"))
	e := w.Engine(w.DB, saga.Config{}, s)
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		switch {
		case when == stage.After:
			return nil
		case c.Step == "b":
			return saga.Reject("no")
		case c.Undo && c.ID == "refuses":
			return saga.Reject("never")
		case c.Undo && c.ID == "away" && c.Attempt < 4:
			return saga.Retry(errors.New("away"), time.Millisecond)
		}
		return nil
	})
	for _, id := range []string{"away", "refuses"} {
		w.Start(s, id)
	}
	w.Await("away", saga.Compensated)
	w.Await("refuses", saga.Paused)
	d := w.Show(e.Engine, "refuses")
	dbtest.Want(t, "undoing", d.Undoing, true)
	dbtest.Want(t, "error", d.Error, "nothing may be refused in an Undo: never")
	dbtest.Want(t, "reason", d.Reason, "no")
}

func hooks(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Remote("b"))
	w.Engine(w.DB, saga.Config{}, s)
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		switch {
		case c.Step == "end" && when == stage.After && c.Attempt < 3:
			return errors.New("boom")
		case c.Step == "b" && c.ID == "no" && when == stage.Before:
			return saga.Reject("no")
		}
		return nil
	})
	w.Start(s, "yes")
	w.Start(s, "no")
	w.Await("yes", saga.Completed)
	w.Await("no", saga.Compensated)
	stage.Equal(t, "yes", w.Effects("yes"), "a/do", "end/do")
	stage.Equal(t, "no", w.Effects("no"), "a/do", "a/undo", "end/undo")
	if n := w.Calls["trip/yes/b/do"]; n < 1 || n > 1+w.Lapses() {
		t.Errorf("%d calls of b", n)
	}
}

// found: a transaction that tx.Do does not run wakes nobody.
func found(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"))
	w.Engine(w.DB, saga.Config{}, s)
	plain, err := w.DB.BeginTx(t.Context(), nil)
	dbtest.Succeed(t, err)
	dbtest.Succeed(t, s.Start(t.Context(), plain, "x", trip{}))
	dbtest.Succeed(t, plain.Commit())
	begun := time.Now()
	w.Await("x", saga.Completed)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("found after %s", took)
	}
}

// An engine that stops lets go at once, in the middle of a step too.
func restarted(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, open)
	make1 := func() *saga.Saga[trip] {
		return w.Trip(w.Remote("a"), w.Local("b"))
	}
	inside := make(chan struct{})
	s := make1()
	s.Steps[0] = saga.Remote[trip]{Name: "a", Undo: w.Out(nil), Do: func(ctx context.Context, d *trip) error {
		c, _ := saga.StepOf(ctx)
		if c.Fence > 1 {
			return w.Out(nil)(ctx, d)
		}
		close(inside)
		<-ctx.Done()
		return ctx.Err()
	}}
	first := w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	stage.Receive(t, inside)
	dbtest.Execute(t, w.DB, `INSERT INTO muster_saga (name, id, version, state, undoing, step, attempts, faults, doubt, data, fence, owner, leased_until, next_at, reason, error, seq, trace_parent, created, updated)
		SELECT name, 'y', version, state, undoing, 'b', attempts, faults, doubt, data, fence, owner, leased_until, next_at, reason, error, seq, trace_parent, created, updated FROM muster_saga WHERE id = 'x'`) // a claim whose answer was lost
	first.Stop()
	w.Free()
	d := w.Show(first.Engine, "x")
	if !d.Doubt || d.Attempts != 0 || d.State != saga.Running {
		t.Errorf("after the stop: %+v", d.Entry)
	}
	begun := time.Now()
	w.Engine(open(), saga.Config{}, make1())
	w.Await("x", saga.Completed)
	w.Await("y", saga.Completed)
	if took := time.Since(begun); took > saga.Lease {
		t.Errorf("the next engine waited for the lease: %s", took)
	}
}
