package outboxtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// crashed starts a relay whose process dies at one point of its work: point makes the
// broker stand still there. It returns once the process is gone.
func (w way) crashed(t *testing.T, db, mortal *sql.DB, b *broker, point func(hook func(context.Context, []bus.Msg) error)) {
	t.Helper()
	there, gone := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	point(func(context.Context, []bus.Msg) error {
		if once.Swap(true) {
			return nil // the next relay passes
		}
		close(there)
		<-gone
		return nil
	})
	dying := w.relayed(t, mortal, b)
	<-there
	dbtest.Succeed(t, mortal.Close())
	close(gone)
	dying.end()
	<-dying.done
	lapse(t, db)
}

func (w way) crashBefore(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	appendAll(t, db, "a", 1, 5)
	b2 := newBroker() // what the dead one publishes afterwards reaches nobody
	w.crashed(t, db, open(), b2, func(hook func(context.Context, []bus.Msg) error) { b2.before = hook })
	appendAll(t, db, "a", 6, 5)
	w.wantRows(t, db, 10)
	w.relayed(t, db, b)
	w.drained(t, db)
	b.wantOrder(t, "a", 10)
}

func (w way) crashAfter(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	appendAll(t, db, "a", 1, 5)
	w.crashed(t, db, open(), b, func(hook func(context.Context, []bus.Msg) error) { b.after = hook })
	dbtest.Want(t, "published", b.count(), 5)
	w.wantRows(t, db, 5)
	appendAll(t, db, "a", 6, 5)
	w.relayed(t, db, b)
	w.drained(t, db)
	b.wantOrder(t, "a", 10)
}

// The broker stored it and the answer did not come.
func (w way) answerLost(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	var lost atomic.Int32
	b.after = func(context.Context, []bus.Msg) error {
		if lost.Add(1) <= 3 {
			return errAway
		}
		return nil
	}
	appendAll(t, db, "a", 1, 5)
	w.relayed(t, db, b)
	w.drained(t, db)
	b.wantOrder(t, "a", 5)
	if n := lost.Load(); n < 4 {
		t.Errorf("%d publications", n)
	}
}

// The database refuses the deletion, as one whose disk is full does.
func (w way) deletionFails(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db, b := w.migrated(t, open), newBroker()
	remove := refuseDeletes(t, db)
	appendAll(t, db, "a", 1, 5)
	w.relayed(t, db, b)
	dbtest.Eventually(t, "a second publication", func() bool { return len(b.calls()) >= 2 })
	w.wantRows(t, db, 5)
	remove()
	w.drained(t, db)
	b.wantOrder(t, "a", 5)
}

// refuseDeletes makes every deletion in the outbox fail until remove is called.
func refuseDeletes(t *testing.T, db *sql.DB) (remove func()) {
	t.Helper()
	dialect, err := tx.DialectOf(db)
	dbtest.Succeed(t, err)
	switch dialect {
	case tx.SQLite:
		dbtest.Execute(t, db, "CREATE TRIGGER refuse BEFORE DELETE ON muster_outbox BEGIN SELECT RAISE(ABORT, 'no'); END")
		return func() { dbtest.Execute(t, db, "DROP TRIGGER refuse") }
	case tx.MySQL:
		dbtest.Execute(t, db, "CREATE TRIGGER refuse BEFORE DELETE ON muster_outbox FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'")
		return func() { dbtest.Execute(t, db, "DROP TRIGGER refuse") }
	}
	dbtest.Execute(t, db, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
	dbtest.Execute(t, db, "CREATE TRIGGER refuse BEFORE DELETE ON muster_outbox FOR EACH ROW EXECUTE FUNCTION refuse()")
	return func() { dbtest.Execute(t, db, "DROP TRIGGER refuse ON muster_outbox") }
}

// A broker that is away is waited for within Publish, and events are taken meanwhile.
func (w way) away(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	back, asked := make(chan struct{}), make(chan struct{}, 1)
	b.before = func(ctx context.Context, _ []bus.Msg) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		select {
		case <-back:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	first := w.relayed(t, db, b)
	for i := range 20 {
		appendAll(t, db, fmt.Sprint("k", i%2), i/2+1, 1)
	}
	<-asked
	first.stop(t) // a replica ends while the broker is away
	w.wantRows(t, db, 20)
	w.relayed(t, db, b)
	backlog, err := outbox.Waiting(t.Context(), db)
	dbtest.Succeed(t, err)
	if w.stream != nil {
		backlog.Messages, backlog.Oldest = 20, 1 // the log does not tell
	}
	if backlog.Messages != 20 || backlog.Oldest <= 0 || backlog.Refused != 0 {
		t.Errorf("backlog %+v", backlog)
	}
	close(back)
	w.drained(t, db)
	b.wantOrder(t, "k0", 10)
	b.wantOrder(t, "k1", 10)
}

// When the context ends while the broker answers, what it stored is deleted.
func (w way) ending(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	appendAll(t, db, "a", 1, 5)
	ctx, cancel := context.WithCancel(t.Context())
	b.after = func(context.Context, []bus.Msg) error {
		cancel()
		return nil
	}
	r := w.relay(t, &outbox.Relay{DB: db, Publisher: b, Source: "/test"})
	if err := r.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	dbtest.Want(t, "published", b.count(), 5)
	w.wantRows(t, db, 0)
	dbtest.Want(t, "lease held until", dbtest.Value[int64](t, db, "SELECT held_until FROM muster_lease"), 0)
}
