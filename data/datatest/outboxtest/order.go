package outboxtest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// Writers on several connections append while relays take over from each other, one
// of them dies, and the broker fails now and then. What the transactions themselves
// saw of their order must be what is published.
func (w way) order(t *testing.T, open func() *sql.DB) {
	const writers, times, keys = 8, 40, 5
	db := w.migrated(t, open)
	dbtest.Execute(t, db, `CREATE TABLE counter ("key" VARCHAR(100) PRIMARY KEY, n INTEGER NOT NULL)`)
	dbtest.Execute(t, db, `CREATE TABLE truth ("key" VARCHAR(100) NOT NULL, n INTEGER NOT NULL, event INTEGER NOT NULL)`)
	for k := range keys {
		dbtest.Execute(t, db, "INSERT INTO counter VALUES ($1, 0)", fmt.Sprint("k", k))
	}
	b := newBroker()
	b.fault = func(bus.Msg) error {
		if rand.IntN(20) == 0 {
			return errAway
		}
		return nil
	}
	mortal := open()
	relays := []*relay{w.relayed(t, mortal, b), w.relayed(t, open(), b), w.relayed(t, open(), b)}
	pools := []*sql.DB{db, open(), open()}
	var serial atomic.Int64
	dbtest.Together(writers, func(i int) {
		for n := range times {
			k := rand.IntN(keys)
			err := write(t.Context(), pools[i%3], relays[i%3].Relay, fmt.Sprint("k", k), int(serial.Add(1)), k%2 == 0)
			if err != nil {
				t.Error(err)
				return
			}
			switch {
			case i == 0 && n == times/2:
				if err := mortal.Close(); err != nil { // that relay's process is gone
					t.Error(err)
				}
			case i == 0 && n%5 == 0: // the holder was paused for too long
				lapse(t, db)
			}
		}
	})
	b.heal()
	w.drained(t, db)
	got := b.events(t)
	total := 0
	for k := range keys {
		key := fmt.Sprint("k", k)
		truth := truthOf(t, db, key)
		total += len(truth)
		if !slices.Equal(got[key], truth) {
			t.Errorf("%s was published as\n%v, committed as\n%v", key, got[key], truth)
		}
	}
	dbtest.Want(t, "events", total, writers*times)
	relays[0].end()
	<-relays[0].done // whatever it makes of its closed pool
}

// truthOf returns the events of a key in the order their transactions saw.
func truthOf(t *testing.T, db *sql.DB, key string) (events []int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT event FROM truth WHERE "key" = $1 ORDER BY n`, key)
	dbtest.Succeed(t, err)
	defer rows.Close()
	for rows.Next() {
		var e int
		dbtest.Succeed(t, rows.Scan(&e))
		events = append(events, e)
	}
	dbtest.Succeed(t, rows.Err())
	return events
}

// write appends an event and notes its place among those of its key, in this order or
// the other.
func write(ctx context.Context, db *sql.DB, r *outbox.Relay, key string, serial int, appendFirst bool) error {
	return tx.Do(outbox.WithRelay(ctx, r), db, func(ctx context.Context, tx *sql.Tx) error {
		if appendFirst {
			if err := outbox.Append(ctx, tx, happened, key, event{key, serial}); err != nil {
				return err
			}
		}
		var n int
		if _, err := tx.ExecContext(ctx, `UPDATE counter SET n = n + 1 WHERE "key" = $1`, key); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT n FROM counter WHERE "key" = $1`, key).Scan(&n); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO truth VALUES ($1, $2, $3)", key, n, serial); err != nil {
			return err
		}
		if appendFirst {
			return nil
		}
		return outbox.Append(ctx, tx, happened, key, event{key, serial})
	})
}

// A holder is stopped in the middle of a publication for longer than its lease.
// Another goes on; then the first wakes, publishes what it had in hand and tells of a
// success: it must change nothing any more.
func (w way) paused(t *testing.T, open func() *sql.DB) {
	db, other := w.migrated(t, open), open()
	b := newBroker()
	stop, wake, entered := make(chan struct{}), make(chan struct{}), make(chan struct{}, 100)
	asleep := &pausable{b, func() {
		entered <- struct{}{}
		<-wake
	}, nil}
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		for i := range 6 {
			key := string("ab"[i/3])
			if err := outbox.Append(ctx, tx, happened, key, event{key, i%3 + 1}); err != nil {
				return err
			}
		}
		return nil
	}))
	first := w.relayed(t, db, asleep)
	<-entered
	fence := holds(t, db, 0)
	slow := &pausable{b, nil, func() { <-stop }} // stored, and its answer is on its way for long
	second := w.relayed(t, other, slow)
	dbtest.Eventually(t, "the other to take over", func() bool { // the first still beats in the background: its time is taken again and again
		dbtest.Execute(t, db, "UPDATE muster_lease SET held_until = 1 WHERE fence = $1", fence)
		return dbtest.Value[int64](t, db, "SELECT fence FROM muster_lease") > fence
	})
	dbtest.Eventually(t, "the other to publish", func() bool { return b.count() == 6 })
	appendAll(t, db, "a", 4, 3)
	close(wake) // the first publishes the same six once more, all known, and wants to delete them
	first.stop(t)
	w.wantRows(t, db, 9)
	close(stop)
	w.drained(t, other)
	b.wantOrder(t, "a", 6)
	b.wantOrder(t, "b", 3)
	second.stop(t)
}

// pausable calls functions before and after it publishes.
type pausable struct {
	bus.Publisher

	before, after func()
}

func (p *pausable) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result {
	if p.before != nil {
		p.before()
	}
	results := p.Publisher.Publish(ctx, msgs)
	if p.after != nil {
		p.after()
	}
	return results
}

// A batch has 256 messages at most, and a backlog goes out without pauses.
func (w way) batches(t *testing.T, open func() *sql.DB) {
	db := w.migrated(t, open)
	b := newBroker()
	appendAll(t, db, "k", 1, 600)
	backlog, err := outbox.Waiting(t.Context(), db)
	dbtest.Succeed(t, err)
	if w.stream == nil {
		dbtest.Want(t, "backlog", backlog.Messages, 600)
	}
	w.relayed(t, db, b)
	w.drained(t, db)
	if got := b.calls(); !slices.Equal(got, []int{256, 256, 88}) {
		t.Errorf("published in calls of %v", got)
	}
	b.wantOrder(t, "k", 600)
}
