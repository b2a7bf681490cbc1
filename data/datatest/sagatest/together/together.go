// Package together is the part of the suite of sagas about what is written together, and by a
// later version.
package together

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
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// world is a stage, with what only this package plays on it.
type world struct{ *stage.World }

type trip = stage.Trip

func newWorld(t testing.TB, open func() *sql.DB) *world {
	t.Helper()
	return &world{stage.New(t, open)}
}

// Run runs what is written together.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"begun alone, and carried on":                 begun,
		"begun where no engine runs":                  begunIdle,
		"begun by a process that is gone":             begunLost,
		"held by the process before":                  inherited,
		"more than there are workers":                 crowded,
		"met by others, and written again":            metOnce,
		"of a group those that were taken over lose":  fencedTogether,
		"of a group one that cannot be written fails": refusedTogether,
	})
}

func (w *world) begin(s *saga.Saga[trip], id string) {
	w.T.Helper()
	dbtest.Succeed(w.T, s.Begin(w.T.Context(), id, trip{}))
}

// two is a saga that has nothing to be committed with, and tells its ends.
func (w *world) two(ended func(id string, state saga.State)) *saga.Saga[trip] {
	return &saga.Saga[trip]{Name: "trip", Version: 1, Steps: []saga.Step[trip]{w.Remote("a"), w.Remote("b")}, Ended: ended}
}

func begun(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	ended := make(chan string, 9)
	s := w.two(func(id string, state saga.State) { ended <- id + " " + string(state) })
	e := w.Engine(w.DB, saga.Config{Owner: "one"}, s)
	dbtest.Eventually(t, "the engine to carry on", func() bool { // until then it begins, and does not hold
		w.begin(s, fmt.Sprint("probe", time.Now().UnixNano()))
		return strings.HasPrefix(stage.Receive(t, ended), "probe")
	})
	w.Mu.Lock()
	w.Begun, w.Order, w.Calls = time.Now(), nil, map[string]int{}
	w.Mu.Unlock()
	w.begin(s, "x")
	dbtest.Want(t, "told", stage.Receive(t, ended), "x completed")
	if err := s.Begin(t.Context(), "x", trip{}); !errors.Is(err, saga.ErrExists) {
		t.Error("begun twice:", err)
	}
	w.Path("done", "a/do", "b/do")
	var history []string
	d := w.Show(e.Engine, "x")
	for _, ev := range d.History {
		history = append(history, fmt.Sprint(ev.Seq, " ", ev.Step, " ", ev.Outcome))
	}
	stage.Equal(t, "history", history, "1 a started", "2 a done", "3 b done")
	dbtest.Want(t, "fence: held from the beginning, and never claimed", d.Fence <= int64(1+w.Lapses()), true)
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if stage.Place(c) == "b/do" && when == stage.Before {
			return saga.Reject("no")
		}
		return nil
	})
	w.begin(s, "y")
	dbtest.Want(t, "told", stage.Receive(t, ended), "y compensated")
	if err := s.Begin(t.Context(), "a/b", trip{}); err == nil || !strings.Contains(err.Error(), "128 visible") {
		t.Error("a bad id:", err)
	}
	if err := (&saga.Saga[trip]{}).Begin(t.Context(), "z", trip{}); err == nil || !strings.Contains(err.Error(), "no engine") {
		t.Error("no engine:", err)
	}
}

func begunIdle(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.two(nil)
	w.Desk(s)
	w.begin(s, "x")
	w.Free()
	w.Engine(open(), saga.Config{}, w.two(nil))
	w.Await("x", saga.Completed)
	w.Path("done", "a/do", "b/do")
}

// begunLost: the process that began a saga holds it, and ends with the first step's effect.
func begunLost(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	first, died := open(), make(chan struct{})
	s := w.two(nil)
	one := w.Engine(first, saga.Config{Owner: "one"}, s)
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if c.ID == "x" && c.Fence == 1 && when == stage.After {
			_ = first.Close()
			close(died)
		}
		return nil
	})
	w.begin(s, "x")
	stage.Receive(t, died)
	one.Stop()
	w.Lapse()
	w.Engine(open(), saga.Config{Owner: "two"}, w.two(nil))
	w.Await("x", saga.Completed)
	w.Path("done", "a/do", "a/do", "b/do")
}

// crowded: no more are carried on at the same time than there are workers, however they began.
func crowded(t *testing.T, open func() *sql.DB) {
	const sagas, workers = 60, 3
	w := newWorld(t, open)
	var mu sync.Mutex
	under, most, over := 0, 0, 0
	all := make(chan struct{})
	s := w.two(func(string, saga.State) {
		mu.Lock()
		defer mu.Unlock()
		if over++; over == sagas {
			close(all)
		}
	})
	w.Say(func(_ saga.Call, when string, _ tx.Tx) error {
		mu.Lock()
		defer mu.Unlock()
		if when == stage.Before {
			under++
			most = max(most, under)
		} else {
			under--
		}
		return nil
	})
	e := w.Engine(w.DB, saga.Config{Workers: workers}, s)
	dbtest.Together(sagas, func(i int) {
		if err := s.Begin(t.Context(), fmt.Sprint("s", i), trip{}); err != nil {
			t.Error(err)
		}
	})
	stage.Receive(t, all)
	if most > workers {
		t.Errorf("%d at the same time, want %d at most", most, workers)
	}
	dbtest.Eventually(t, "quiet", func() bool {
		quiet, err := e.Quiet(t.Context())
		dbtest.Succeed(t, err)
		return quiet
	})
	dbtest.Want(t, "steps", len(w.Calls), 2*sagas)
	for key, n := range w.Calls {
		dbtest.Want(t, key+" once", n <= 1+w.Lapses(), true)
	}
}

// gathered is a saga of which so many wait in step a until all are let go at once, so that
// what becomes of them is written together.
func (w *world) gathered(most int, result func(id string, fence int64) error) (s *saga.Saga[trip], all, release chan struct{}) {
	var mu sync.Mutex
	waiting := 0
	all, release = make(chan struct{}), make(chan struct{})
	a := saga.Remote[trip]{Name: "a", Undo: w.Out(nil), Do: func(ctx context.Context, d *trip) error {
		c, _ := saga.StepOf(ctx)
		if c.Attempt == 1 && c.Fence == 1 {
			mu.Lock()
			if waiting++; waiting == most {
				close(all)
			}
			mu.Unlock()
			w.Block(release)
		}
		d.Token = fmt.Sprint("of ", c.Fence)
		return result(c.ID, c.Fence)
	}}
	return w.Trip(a, w.Remote("b")), all, release
}

const inGroup = 24

// fencedTogether: every third saga is taken over while its step lasts. What those come to is not
// recorded, though it is written in one statement with that of others.
func fencedTogether(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s, all, release := w.gathered(inGroup, func(string, int64) error { return nil })
	one := w.Engine(w.DB, saga.Config{Owner: "one", Workers: inGroup}, s)
	dbtest.Together(inGroup, func(i int) { w.begin(s, fmt.Sprint("s", i)) })
	stage.Receive(t, all)
	for i := 0; i < inGroup; i += 3 {
		dbtest.Execute(t, w.DB, `UPDATE muster_saga SET fence = 7, owner = 'another', leased_until = leased_until + 60000 WHERE id = $1`, fmt.Sprint("s", i))
	}
	close(release)
	for i := range inGroup {
		if i%3 != 0 {
			w.Await(fmt.Sprint("s", i), saga.Completed)
		}
	}
	one.Stop() // it has tried to record all
	for i := 0; i < inGroup; i += 3 {
		id := fmt.Sprint("s", i)
		d := w.Show(one.Engine, id)
		if d.Step != "a" || d.Fence != 7 || d.Owner != "another" || strings.Contains(string(d.Data), "of 1") || len(d.History) != 1 {
			t.Errorf("%s: who was taken over was heard: %+v, %s", id, d.Entry, d.Data)
		}
	}
}

// refusedTogether: the database refuses what one of them would write. The others do not
// wait for it.
func refusedTogether(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	unique := `CREATE UNIQUE INDEX only_one ON muster_saga (reason) WHERE reason = 'the last seat'`
	if d, err := tx.DialectOf(w.DB); err == nil && d == tx.MySQL {
		unique = `ALTER TABLE muster_saga ADD COLUMN only_one bigint AS (CASE WHEN reason = 'the last seat' THEN 1 END) STORED UNIQUE`
	}
	dbtest.Execute(t, w.DB, unique)
	odd := []string{"s5", "s11", "s12"}
	s, all, release := w.gathered(inGroup, func(id string, _ int64) error {
		if slices.Contains(odd, id) {
			return saga.Reject("the last seat")
		}
		return nil
	})
	e := w.Engine(w.DB, saga.Config{Workers: inGroup}, s)
	dbtest.Together(inGroup, func(i int) { w.begin(s, fmt.Sprint("s", i)) })
	stage.Receive(t, all)
	close(release)
	for i := range inGroup {
		if id := fmt.Sprint("s", i); !slices.Contains(odd, id) {
			w.Await(id, saga.Completed)
		}
	}
	compensated := 0
	for _, id := range odd {
		switch d := w.Show(e.Engine, id); {
		case d.State == saga.Compensated:
			compensated++
		case d.State != saga.Running || d.Step != "a":
			t.Errorf("%s is %s at %s", id, d.State, d.Step)
		}
	}
	dbtest.Want(t, "compensated", compensated, 1)
}
