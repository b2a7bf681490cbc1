// Package holding is the part of the suite of sagas that is about steps which are held for all.
package holding

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

var ann = saga.Note{By: "ann", Why: "the bank renewed it"}

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"once for all replicas":      onceForAll,
		"one is let through":         letThrough,
		"a mistake waits for people": mistaken,
		"who was at it meanwhile":    spared,
		"on the way back":            onTheWayBack,
		"others' fault":              othersFault,
		"what operators ask":         operators,
	})
}

// broken has every try of a step fail, while it is, each with an error of its own that is the same.
type broken struct {
	now   atomic.Bool
	tries atomic.Int64
}

func (b *broken) at(place string, fail func(error) error) func(saga.Call, string, tx.Tx) error {
	b.now.Store(true)
	return func(c saga.Call, when string, _ tx.Tx) error {
		if stage.Place(c) != place || when != stage.Before {
			return nil
		}
		b.tries.Add(1)
		if b.now.Load() {
			return fail(fmt.Errorf("order %s: attempt %d: the certificate of the bank has expired", c.ID, c.Attempt))
		}
		return nil
	}
}

func plain(err error) error { return err }

func ids(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("o-", i))
	}
	return list
}

// waiting is how many sagas wait at a held step.
func waiting(t *testing.T, w *stage.World) int {
	t.Helper()
	return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga, muster_saga_hold WHERE muster_saga.name = muster_saga_hold.name AND muster_saga.step = muster_saga_hold.step
		AND lifted = 0 AND owner = '' AND state IN ('running', 'compensating') AND next_at > since + 300000`)
}

func held(t *testing.T, e *stage.Engine) []saga.Held {
	t.Helper()
	list, err := e.Held(t.Context())
	dbtest.Succeed(t, err)
	return list
}

func resume(step string, undoing bool) saga.Resume {
	o := saga.Resume{Note: ann}
	o.Name, o.Step, o.Undoing = "trip", step, undoing
	return o
}

// onceForAll: of three engines one holds the step and tells of it; then nobody tries it, nothing that waits is
// counted as failed, and a person has all go on at once.
func onceForAll(t *testing.T, open func() *sql.DB) {
	w := stage.New(t, open)
	var b broken
	var notices, sagas atomic.Int64
	w.Say(b.at("pay/do", plain))
	cfg := saga.Config{Hold: saga.Hold{Probe: -1, Notice: func(h saga.Held) {
		notices.Add(1)
		sagas.Store(int64(h.Sagas))
	}}}
	s := w.Trip(w.Local("a"), w.Remote("pay"), w.Local("c"))
	e := w.Engine(w.DB, cfg, s)
	for range 2 {
		w.Engine(open(), cfg, w.Trip(s.Steps...))
	}
	const n = 40
	for _, id := range ids(n) {
		w.Start(s, id)
	}
	dbtest.Eventually(t, "all to wait", func() bool { return waiting(t, w) == n })
	before := b.tries.Load()
	w.Start(s, "late")
	dbtest.Eventually(t, "another to wait", func() bool { return waiting(t, w) == n+1 })
	dbtest.Want(t, "tries since it is held", b.tries.Load()-before, 0)
	dbtest.Want(t, "attempts of one that came late", w.Show(e.Engine, "late").Attempts, 0)
	dbtest.Want(t, "notices", notices.Load(), 1)
	if counted := sagas.Load(); counted < 5 || counted > 3*5 {
		t.Errorf("held when %d sagas had failed", counted)
	}
	list := held(t, e)
	dbtest.Want(t, "steps held", len(list), 1)
	h := list[0]
	if h.String() != "trip/pay" || h.Waiting != n+1 || h.Outcome != "fault" || !strings.Contains(h.Error, "certificate") || !h.ProbeAt.IsZero() || h.Since.IsZero() {
		t.Errorf("held: %+v", h)
	}
	b.now.Store(false)
	done, err := e.ResumeStep(t.Context(), resume("pay", false))
	dbtest.Succeed(t, err)
	dbtest.Want(t, "resumed", done.Sagas, n+1)
	for _, id := range append(ids(n), "late") {
		w.Await(id, saga.Completed)
	}
	dbtest.Want(t, "who", dbtest.Value[string](t, w.DB, `SELECT who || ': ' || why FROM muster_saga_hold`), "ann: the bank renewed it")
	if _, err := e.ResumeStep(t.Context(), resume("pay", false)); problem.CodeOf(err) != problem.FailedPrecondition {
		t.Errorf("resumed twice: %v", err)
	}
	if _, err := e.ResumeStep(t.Context(), saga.Resume{Note: ann}); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("resumed nothing: %v", err)
	}
	b.now.Store(true) // it is held anew, and told anew
	for _, id := range ids(n) {
		w.Start(s, "again-"+id)
	}
	dbtest.Eventually(t, "all to wait again", func() bool { return waiting(t, w) == n })
	dbtest.Want(t, "notices", notices.Load(), 2)
}

// letThrough: one saga at a time sees whether the step can be done again, and the others follow.
func letThrough(t *testing.T, open func() *sql.DB) {
	w := stage.New(t, open)
	var b broken
	w.Say(b.at("pay/do", plain))
	cfg := saga.Config{Hold: saga.Hold{Probe: 50 * time.Millisecond}}
	s := w.Trip(w.Local("a"), w.Local("pay"))
	e := w.Engine(w.DB, cfg, s)
	w.Engine(open(), cfg, w.Trip(s.Steps...))
	const n = 20
	for _, id := range ids(n) {
		w.Start(s, id)
	}
	dbtest.Eventually(t, "the step to be held", func() bool { return len(held(t, e)) == 1 })
	dbtest.Eventually(t, "all to wait", func() bool { return waiting(t, w) >= n-1 }) // one may be let through
	before := b.tries.Load()
	dbtest.Eventually(t, "some to be let through in vain", func() bool { return b.tries.Load() >= before+2 })
	dbtest.Want(t, "paused", dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE state = 'paused'`), 0)
	b.now.Store(false)
	for _, id := range ids(n) {
		w.Await(id, saga.Completed)
	}
	dbtest.Want(t, "steps held", len(held(t, e)), 0)
}

// mistaken: what a mistake stopped is not tried again before a person says so.
func mistaken(t *testing.T, open func() *sql.DB) {
	w := stage.New(t, open)
	var b broken
	w.Say(b.at("pay/do", saga.Bug))
	s := w.Trip(w.Local("a"), w.Remote("pay"))
	e := w.Engine(w.DB, saga.Config{Workers: 1, Hold: saga.Hold{After: 3, Probe: time.Millisecond}}, s)
	const n = 10
	for _, id := range ids(n) {
		w.Start(s, id)
	}
	dbtest.Eventually(t, "the rest to wait", func() bool { return waiting(t, w) == n-3 })
	dbtest.Want(t, "tries", b.tries.Load(), 3)
	dbtest.Want(t, "paused", dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE state = 'paused'`), 3)
	dbtest.Want(t, "let through by itself", held(t, e)[0].ProbeAt.IsZero(), true)
	b.now.Store(false)
	_, err := e.ResumeStep(t.Context(), resume("pay", false))
	dbtest.Succeed(t, err)
	dbtest.Eventually(t, "those that waited to be completed", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE state = 'completed'`) == n-3
	})
	done, err := e.RetryAll(t.Context(), saga.Bulk{Note: ann, Name: "trip", Error: "certificate"})
	dbtest.Succeed(t, err)
	dbtest.Want(t, "retried", done, saga.Bulked{Retried: 3})
	for _, id := range ids(n) {
		w.Await(id, saga.Completed)
	}
}

// spared: one that was in the middle of the step when it was held for others, and fails as they did, waits
// as those who come: what it asked of others is in doubt, and no attempt is counted.
func spared(t *testing.T, open func() *sql.DB) {
	w := stage.New(t, open)
	var b broken
	in, known := make(chan struct{}), make(chan struct{})
	fails := b.at("pay/do", saga.Bug)
	w.Say(func(c saga.Call, when string, t tx.Tx) error {
		if c.ID == "slow" && stage.Place(c) == "pay/do" && when == stage.Before && b.now.Load() {
			close(in)
			w.Block(known)
		}
		return fails(c, when, t)
	})
	s := w.Trip(w.Local("a"), w.Remote("pay"))
	e := w.Engine(w.DB, saga.Config{Hold: saga.Hold{After: 3, Notice: func(saga.Held) { close(known) }}}, s)
	w.Start(s, "slow")
	stage.Receive(t, in)
	for _, id := range ids(3) {
		w.Start(s, id)
	}
	dbtest.Eventually(t, "it to wait", func() bool { return waiting(t, w) == 1 })
	d := w.Show(e.Engine, "slow")
	dbtest.Want(t, "state", d.State, saga.Running)
	dbtest.Want(t, "attempts", d.Attempts, 0)
	dbtest.Want(t, "in doubt", d.Doubt, true)
	b.now.Store(false)
	_, err := e.ResumeStep(t.Context(), resume("pay", false))
	dbtest.Succeed(t, err)
	w.Await("slow", saga.Completed)
}

// onTheWayBack: an Undo is held apart from its Do, and so is a step behind the pivot.
func onTheWayBack(t *testing.T, open func() *sql.DB) {
	w := stage.New(t, open)
	var b broken
	undo, after := b.at("a/undo", saga.Bug), b.at("c/do", plain)
	w.Say(func(c saga.Call, when string, t tx.Tx) error {
		if stage.Place(c) == "b/do" && when == stage.Before && strings.HasPrefix(c.ID, "refused") {
			return saga.Reject("sold out")
		}
		return errors.Join(undo(c, when, t), after(c, when, t))
	})
	pivot := w.Local("b")
	pivot.Pivot, pivot.Undo = true, nil
	last := w.Remote("c")
	last.Undo = nil
	s := w.Trip(w.Local("a"), pivot, last)
	e := w.Engine(w.DB, saga.Config{Hold: saga.Hold{Probe: -1}}, s)
	const n = 8
	for _, id := range ids(n) {
		w.Start(s, "refused-"+id)
		w.Start(s, id)
	}
	dbtest.Eventually(t, "both to be held", func() bool { return len(held(t, e)) == 2 })
	list := held(t, e)
	dbtest.Want(t, "on the way back", list[0].String(), "trip/a (undo)")
	dbtest.Want(t, "behind the pivot", list[1].String(), "trip/c")
	b.now.Store(false)
	for _, o := range []saga.Resume{resume("a", true), resume("c", false)} {
		_, err := e.ResumeStep(t.Context(), o)
		dbtest.Succeed(t, err)
	}
	_, err := e.RetryAll(t.Context(), saga.Bulk{Note: ann, Name: "trip", Error: "certificate"}) // those that failed first
	dbtest.Succeed(t, err)
	for _, id := range ids(n) {
		w.Await(id, saga.Completed)
		w.Await("refused-"+id, saga.Compensated)
	}
}

// othersFault: those who are away or unsure come back by themselves, and an engine may be told to hold nothing.
func othersFault(t *testing.T, open func() *sql.DB) {
	w := stage.New(t, open)
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		switch {
		case when == stage.After || c.Attempt > 1:
			return nil
		case c.Step == "away":
			return saga.Retry(errors.New("the bank is closed"), time.Millisecond)
		case c.Step == "unsure":
			return saga.Unknown(errors.New("no answer"))
		case c.Step == "mine":
			return errors.New("of no known kind")
		}
		return nil
	})
	others := w.Trip(w.Local("away"), w.Remote("unsure"))
	w.Engine(w.DB, saga.Config{Workers: 20, Hold: saga.Hold{After: 1}}, others)
	mine := w.Trip(w.Local("mine"))
	mine.Name = "never"
	never := w.Engine(open(), saga.Config{Workers: 20, Hold: saga.Hold{After: -1}}, mine)
	for _, id := range ids(8) {
		w.Start(others, id)
		w.Start(mine, "my-"+id)
	}
	for _, id := range ids(8) {
		w.Await(id, saga.Completed)
	}
	dbtest.Eventually(t, "the others", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE state = 'completed'`) == 16
	})
	dbtest.Want(t, "ever held", dbtest.Value[int](t, never.DB, `SELECT count(*) FROM muster_saga_hold`), 0)
}

func operators(t *testing.T, open func() *sql.DB) {
	w := stage.New(t, open)
	var b broken
	w.Say(b.at("a/do", saga.Bug))
	s := w.Trip(w.Local("a"))
	e := w.Engine(w.DB, saga.Config{Workers: 1, Hold: saga.Hold{After: 2}}, s)
	h := saga.Handler(e.Engine)
	ask := func(method, path, body string, into any) int {
		r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), method, "/.muster/sagas"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if into != nil {
			dbtest.Succeed(t, json.Unmarshal(rec.Body.Bytes(), into))
		}
		return rec.Code
	}
	list := []saga.Held(nil)
	dbtest.Want(t, "none", ask("GET", "/-/steps", "", &list), http.StatusOK)
	dbtest.Want(t, "is a list", list != nil && len(list) == 0, true)
	for _, id := range ids(3) {
		w.Start(s, id)
	}
	dbtest.Eventually(t, "one to wait", func() bool { return waiting(t, w) == 1 })
	ask("GET", "/-/steps", "", &list)
	dbtest.Want(t, "held", len(list) == 1 && list[0].Waiting == 1 && list[0].String() == "trip/a", true)
	var all saga.Listing
	ask("GET", "", "", &all)
	dbtest.Want(t, "held, in the listing", len(all.Held), 1)
	for body, want := range map[string]int{
		`{"name": "trip", "step": "a"}`:                                             400,
		`{"name": "trip", "by": "ann", "why": "x"}`:                                 400,
		`{"name": "trip", "step": "b", "by": "ann", "why": "x"}`:                    412, // it is not held
		`{"name": "trip", "step": "a", "undoing": true, "by": "ann", "why": "x"}`:   412,
		`{"name": "trip", "step": "a", "by": "ann", "why": "x", "more": "than so"}`: 400,
	} {
		dbtest.Want(t, body, ask("POST", "/-/resume", body, nil), want)
	}
	dbtest.Want(t, "another method", ask("GET", "/-/resume", "", nil), http.StatusMethodNotAllowed)
	b.now.Store(false)
	var done saga.Resumed
	dbtest.Want(t, "resumed", ask("POST", "/-/resume", `{"name": "trip", "step": "a", "by": "ann", "why": "mended"}`, &done), http.StatusOK)
	dbtest.Want(t, "that waited", done.Sagas, 1)
	dbtest.Eventually(t, "one to be completed", func() bool {
		return dbtest.Value[int](t, w.DB, `SELECT count(*) FROM muster_saga WHERE state = 'completed'`) == 1
	})
}
