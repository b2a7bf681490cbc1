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
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
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
			for _, when := range []string{stage.Before, stage.After} {
				if name == "undone" && place == "d/do" {
					continue // it is what refuses
				}
				id := strings.NewReplacer("/", "-").Replace(fmt.Sprint(name, ".", place, ".", when))
				t.Run(strings.Join([]string{name, "crash", when, place}, " "), func(t *testing.T) { crash(t, w, id, place, when, path) })
			}
		}
	}
	t.Run("what a crash left in doubt is undone", func(t *testing.T) { crashInDoubt(t, w) })
	w.T = t
	w.Free()
}

// crashInDoubt: a Remote step took effect, nobody knows, and the next try is refused.
func crashInDoubt(t *testing.T, w *world) {
	w.T = t
	w.Mu.Lock()
	w.Begun, w.Order = time.Now(), nil
	w.Mu.Unlock()
	desk := w.four()
	w.Desk(desk)
	first := w.Open()
	died := make(chan struct{})
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		switch {
		case stage.Place(c) == "b/do" && when == stage.After && c.Fence == 1:
			_ = first.Close()
			close(died)
			return errors.New("crashed")
		case stage.Place(c) == "b/do" && when == stage.Before && c.Fence > 1:
			return saga.Reject("sold out by now")
		}
		return nil
	})
	one := w.Engine(first, saga.Config{}, w.four())
	w.Start(desk, "doubt")
	stage.Receive(t, died)
	one.Stop()
	w.Lapse()
	two := w.Engine(w.Open(), saga.Config{}, w.four())
	defer two.Stop()
	w.Await("doubt", saga.Compensated)
	w.Path("done", "a/do", "b/do", "b/undo", "a/undo", "end/undo")
}

// crash has a process die before or after the effect of one try; another takes over.
func crash(t *testing.T, w *world, id, at, when string, path []string) {
	w.T = t
	w.Mu.Lock()
	w.Begun, w.Order, w.Calls = time.Now(), nil, map[string]int{}
	w.Mu.Unlock()
	back := slices.Contains(path, "c/undo")
	desk := w.four()
	w.Desk(desk)
	first := w.Open()
	died := make(chan struct{})
	var crashed atomic.Bool
	w.Say(func(c saga.Call, now string, tr tx.Tx) error {
		if stage.Place(c) == at && now == when && crashed.CompareAndSwap(false, true) {
			if tr != nil {
				_ = tr.Rollback() // what a server does when its client is gone
			}
			_ = first.Close() // so that nothing more can be written
			close(died)
			return errors.New("crashed")
		}
		if back && stage.Place(c) == "d/do" && now == stage.Before {
			return saga.Reject("no")
		}
		return nil
	})
	stop := w.clerk(desk, id)
	defer stop()
	one := w.Engine(first, saga.Config{Owner: "one"}, w.four())
	w.Start(desk, id)
	stage.Receive(t, died)
	two := w.Engine(w.Open(), saga.Config{Owner: "two"}, w.four())
	defer two.Stop()
	one.Stop()
	w.Lapse()
	want := saga.Completed
	if back {
		want = saga.Compensated
	}
	w.Await(id, want)
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
	stage.Equal(t, "effects of Local steps, exactly once", w.Effects(id), effects...)
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for _, key := range calls {
		if n := w.Calls[key]; n < 1 || n > 2+w.Lapses() {
			t.Errorf("%s was asked %d times", key, n)
		}
	}
	if len(w.Calls) != len(calls) {
		t.Errorf("asked: %v, want %v", w.Calls, calls)
	}
	if when == stage.After && slices.Contains(calls, "trip/"+id+"/"+at) && w.Calls["trip/"+id+"/"+at] < 2 {
		t.Errorf("%s took effect, was not recorded, and was asked %d times", at, w.Calls["trip/"+id+"/"+at])
	}
}

// four is the saga of the crashes: a Local step, a Remote one, one that waits, and a
// Remote one.
func (w *world) four() *saga.Saga[trip] {
	return w.Trip(w.Local("a"), w.Remote("b"), w.Ask("c"), w.Remote("d"))
}

// clerk answers step c of a saga, and its undoing, whenever they wait: each time twice.
func (w *world) clerk(s *saga.Saga[trip], id string) (stop func()) {
	ctx, cancel := context.WithCancel(w.T.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			var undoing int
			err := w.DB.QueryRowContext(ctx, `SELECT undoing FROM muster_saga WHERE id = $1 AND state = 'waiting'`, id).Scan(&undoing)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			answer := w.Answer
			if undoing == 1 {
				answer = w.AnswerUndo
			}
			for range 2 {
				if err := answer(s, id, "c", nil); err != nil && ctx.Err() == nil {
					w.T.Error("answer:", err)
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}
