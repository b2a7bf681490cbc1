package sagatest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

func runCrash(t *testing.T, fresh dbtest.Fresh) {
	open := fresh(t)
	w := newWorld(t, open)
	forward := []string{"a/do", "b/do", "c/do", "d/do", "end/do"}
	backward := []string{"a/do", "b/do", "c/do", "d/do", "c/undo", "b/undo", "a/undo", "end/undo"}
	for name, path := range map[string][]string{"done": forward, "undone": backward} {
		for _, place := range path {
			for _, when := range []string{before, after} {
				if name == "undone" && place == "d/do" {
					continue // it is what refuses
				}
				id := strings.NewReplacer("/", "-").Replace(fmt.Sprint(name, ".", place, ".", when))
				t.Run(strings.Join([]string{name, "crash", when, place}, " "), func(t *testing.T) { crash(t, w, id, place, when, path) })
			}
		}
	}
	t.Run("what a crash left in doubt is undone", func(t *testing.T) { crashInDoubt(t, w) })
	w.t = t
	w.free()
}

// crashInDoubt: a Remote step took effect, nobody knows, and the next try is refused.
func crashInDoubt(t *testing.T, w *world) {
	w.t = t
	w.mu.Lock()
	w.order = nil
	w.mu.Unlock()
	desk := w.four()
	w.desk(desk)
	first := w.open()
	died := make(chan struct{})
	w.say(func(c saga.Call, when string, _ tx.Tx) error {
		switch {
		case place(c) == "b/do" && when == after && c.Fence == 1:
			_ = first.Close()
			close(died)
			return errors.New("crashed")
		case place(c) == "b/do" && when == before && c.Fence > 1:
			return saga.Reject("sold out by now")
		}
		return nil
	})
	one := w.engine(first, saga.Config{}, w.four())
	w.start(desk, "doubt")
	receive(t, died)
	w.lapse()
	two := w.engine(w.open(), saga.Config{}, w.four())
	defer two.stop()
	one.stop()
	w.await("doubt", saga.Compensated)
	equal(t, "done", w.done(), "a/do", "b/do", "b/undo", "a/undo", "end/undo")
}

// crash has a process die before or after the effect of one try; another takes over.
func crash(t *testing.T, w *world, id, at, when string, path []string) {
	w.t = t
	w.mu.Lock()
	w.order, w.calls = nil, map[string]int{}
	w.mu.Unlock()
	back := slices.Contains(path, "c/undo")
	desk := w.four()
	w.desk(desk)
	first := w.open()
	died := make(chan struct{})
	var crashed atomic.Bool
	w.say(func(c saga.Call, now string, tr tx.Tx) error {
		if place(c) == at && now == when && crashed.CompareAndSwap(false, true) {
			if tr != nil {
				_ = tr.Rollback() // what a server does when its client is gone
			}
			_ = first.Close() // so that nothing more can be written
			close(died)
			return errors.New("crashed")
		}
		if back && place(c) == "d/do" && now == before {
			return saga.Reject("no")
		}
		return nil
	})
	stop := w.clerk(desk, id)
	defer stop()
	one := w.engine(first, saga.Config{Owner: "one"}, w.four())
	w.start(desk, id)
	receive(t, died)
	two := w.engine(w.open(), saga.Config{Owner: "two"}, w.four())
	defer two.stop()
	w.lapse()
	one.stop()
	want := saga.Completed
	if back {
		want = saga.Compensated
	}
	w.await(id, want)
	var effects, calls []string
	for _, p := range path {
		switch {
		case p == "d/do" && back:
		case strings.HasPrefix(p, "b/"), strings.HasPrefix(p, "d/"):
			calls = append(calls, "trip/"+id+"/"+p)
		default:
			effects = append(effects, p)
		}
	}
	equal(t, "effects of Local steps, exactly once", w.effects(id), effects...)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range calls {
		if n := w.calls[key]; n < 1 || n > 2 {
			t.Errorf("%s was asked %d times", key, n)
		}
	}
	if len(w.calls) != len(calls) {
		t.Errorf("asked: %v, want %v", w.calls, calls)
	}
	if when == after && slices.Contains(calls, "trip/"+id+"/"+at) && w.calls["trip/"+id+"/"+at] != 2 {
		t.Errorf("%s took effect, was not recorded, and was asked %d times", at, w.calls["trip/"+id+"/"+at])
	}
}

// four is the saga of the crashes: a Local step, a Remote one, one that waits, and a
// Remote one.
func (w *world) four() *saga.Saga[trip] {
	return w.trip(w.local("a"), w.remote("b"), w.ask("c"), w.remote("d"))
}

// clerk answers step c of a saga, and its undoing, whenever they wait: each time twice.
func (w *world) clerk(s *saga.Saga[trip], id string) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			var undoing int
			err := w.db.QueryRowContext(ctx, `SELECT undoing FROM muster_saga WHERE id = $1 AND state = 'waiting'`, id).Scan(&undoing)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			answer := w.answer
			if undoing == 1 {
				answer = w.answerUndo
			}
			for range 2 {
				if err := answer(s, id, "c", nil); err != nil && ctx.Err() == nil {
					w.t.Error("answer:", err)
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}
