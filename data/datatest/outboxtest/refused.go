package outboxtest

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// poisoned refuses the event n of key a for good.
func poisoned(n int) func(bus.Msg) error {
	return func(m bus.Msg) error {
		if m.Key == "a" && strings.Contains(string(m.Data), fmt.Sprintf(`"N":%d}`, n)) {
			return problem.New(problem.TooLarge, "more than this broker takes")
		}
		return nil
	}
}

func listRefused(t *testing.T, db *sql.DB) []outbox.Refused {
	t.Helper()
	list, err := outbox.ListRefused(t.Context(), db, 0)
	dbtest.Succeed(t, err)
	return list
}

func (w way) refused(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	b.fault = poisoned(2)
	w.relayed(t, db, b)
	appendAll(t, db, "a", 1, 4)
	appendAll(t, db, "b", 1, 4)
	dbtest.Eventually(t, "the others", func() bool { return b.count() == 5 })
	dbtest.Eventually(t, "the mark", func() bool { return len(listRefused(t, db)) == 1 })
	appendAll(t, db, "a", 5, 1)
	appendAll(t, db, "b", 5, 1)
	appendAll(t, db, "", 1, 1)
	dbtest.Eventually(t, "later ones of other keys", func() bool { return b.count() == 7 })
	b.wantOrder(t, "a", 1)
	r := listRefused(t, db)[0]
	if r.Key != "a" || r.Topic != happened.Name || r.Event == "" || !strings.Contains(r.Error, "more than this broker takes") || time.Since(r.Appended).Abs() > time.Minute {
		t.Errorf("refused: %+v", r)
	}
	dbtest.Eventually(t, "the deletion of what is published", func() bool { return rows(t, db) == 4 })
	backlog, err := outbox.Waiting(t.Context(), db)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "waiting", backlog.Messages, 4)
	dbtest.Want(t, "refused", backlog.Refused, 1)

	dbtest.Want(t, "unknown id", problem.CodeOf(outbox.Retry(t.Context(), db, "999999")), problem.NotFound)
	dbtest.Want(t, "no id", problem.CodeOf(outbox.Discard(t.Context(), db, "x")), problem.NotFound)
	waits := dbtest.Value[string](t, db, "SELECT CAST(max(id) AS TEXT) FROM muster_outbox WHERE error IS NULL")
	dbtest.Want(t, "one that waits", problem.CodeOf(outbox.Discard(t.Context(), db, waits)), problem.FailedPrecondition)

	dbtest.Succeed(t, outbox.Retry(t.Context(), db, r.ID)) // nothing was mended: it is marked again
	dbtest.Eventually(t, "the mark", func() bool { return len(listRefused(t, db)) == 1 })
	b.heal()
	dbtest.Succeed(t, outbox.Retry(t.Context(), db, r.ID))
	w.drained(t, db)
	b.wantOrder(t, "a", 5)
	b.wantOrder(t, "b", 5)
}

// A driver that stores a batch whole or not at all refuses all for one.
func (w way) refusedBatch(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	poison := poisoned(2)
	b.before = func(_ context.Context, msgs []bus.Msg) error { return nil }
	atomicBatch := publisher(func(ctx context.Context, msgs []bus.Msg) []bus.Result {
		results := make([]bus.Result, len(msgs))
		bad := false
		for i, m := range msgs {
			results[i].Err = poison(m)
			bad = bad || results[i].Err != nil
		}
		if !bad {
			return b.Publish(ctx, msgs)
		}
		for i := range results {
			if results[i].Err == nil {
				results[i].Err = bus.ErrBatch
			}
		}
		return results
	})
	appendAll(t, db, "a", 1, 4)
	appendAll(t, db, "b", 1, 4)
	w.relayed(t, db, atomicBatch)
	dbtest.Eventually(t, "the others", func() bool { return b.count() == 5 })
	b.wantOrder(t, "a", 1)
	b.wantOrder(t, "b", 4)
	dbtest.Eventually(t, "the mark", func() bool { return len(listRefused(t, db)) == 1 })
	dbtest.Succeed(t, outbox.Discard(t.Context(), db, listRefused(t, db)[0].ID))
	w.drained(t, db)
	if got := fmt.Sprint(b.events(t)["a"]); got != "[1 3 4]" {
		t.Errorf("after the discard: %s", got)
	}
}

type publisher func(context.Context, []bus.Msg) []bus.Result

func (p publisher) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result { return p(ctx, msgs) }

// A row that somebody damaged is shown and holds its key; nothing passes it.
func (w way) unreadable(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	appendAll(t, db, "a", 1, 3)
	appendAll(t, db, "b", 1, 3)
	dbtest.Execute(t, db, "UPDATE muster_outbox SET attributes = 'null' WHERE id = (SELECT min(id) + 1 FROM muster_outbox)")
	dbtest.Execute(t, db, "UPDATE muster_outbox SET attributes = '{' WHERE id = (SELECT min(id) + 4 FROM muster_outbox)")
	w.relayed(t, db, b)
	dbtest.Eventually(t, "the marks", func() bool { return len(listRefused(t, db)) == 2 })
	dbtest.Want(t, "published", b.count(), 2)
	for _, r := range listRefused(t, db) {
		dbtest.Succeed(t, outbox.Discard(t.Context(), db, r.ID))
	}
	w.drained(t, db)
	if got := fmt.Sprint(b.events(t)); got != "map[a:[1 3] b:[1 3]]" {
		t.Error(got)
	}
}

func (w way) notBefore(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db, b := w.migrated(t, open), newBroker()
	due := time.Now().Add(700 * time.Millisecond)
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		for i, m := range []struct {
			key string
			at  time.Time
		}{{"a", time.Time{}}, {"a", due}, {"a", time.Time{}}, {"b", due.Add(-time.Hour)}, {"b", time.Time{}}} {
			msg, err := happened.Msg(ctx, m.key, event{m.key, i + 1})
			if err != nil {
				return err
			}
			msg.NotBefore = m.at
			if err := outbox.AppendMsg(ctx, tx, msg); err != nil {
				return err
			}
		}
		return nil
	}))
	early := false
	b.before = func(_ context.Context, msgs []bus.Msg) error {
		for _, m := range msgs {
			early = early || m.NotBefore.After(time.Now().Add(5*time.Millisecond)) // the two clocks are one host's
		}
		return nil
	}
	r := w.relayed(t, db, b)
	dbtest.Eventually(t, "what is not held", func() bool { return b.count() == 3 })
	if got := fmt.Sprint(b.events(t)); got != "map[a:[1] b:[4 5]]" && time.Now().Before(due) {
		t.Error(got)
	}
	w.drained(t, db)
	r.stop(t)
	dbtest.Want(t, "published before its time", early, false)
	if got := fmt.Sprint(b.events(t)); got != "map[a:[1 2 3] b:[4 5]]" {
		t.Error(got)
	}
}

// Messages become due in the middle of a look into the table. What comes behind them is
// not taken for free by the same look.
func (w way) dueMeanwhile(t *testing.T, open func() *sql.DB) {
	const rounds, keys = 6, 120
	db, b := w.migrated(t, open), newBroker()
	r := w.relayed(t, db, b)
	for round := range rounds {
		due := time.Now().Add(150 * time.Millisecond)
		dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
			for i := range 2 * keys { // of each key one that waits, and behind all of them one that does not
				key := fmt.Sprint(round, ".", i%keys)
				msg, err := happened.Msg(ctx, key, event{key, i/keys + 1})
				if err != nil {
					return err
				}
				if i < keys {
					msg.NotBefore = due
				}
				if err := outbox.AppendMsg(ctx, tx, msg); err != nil {
					return err
				}
			}
			return nil
		}))
		dbtest.Eventually(t, "the time", func() bool { return time.Until(due) < 20*time.Millisecond })
		for time.Until(due) > -20*time.Millisecond { // it looks all the time
			r.Wake()
			runtime.Gosched()
		}
		w.read(t, db, r.Wake)
		dbtest.Eventually(t, "the outbox to be empty", func() bool {
			r.Wake()
			return rows(t, db) == 0
		})
	}
	for round := range rounds {
		for i := range keys {
			b.wantOrder(t, fmt.Sprint(round, ".", i), 2)
		}
	}
}
