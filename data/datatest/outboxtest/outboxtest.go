// Package outboxtest is the part of the suite that package outbox must pass.
package outboxtest

import (
	"context"
	"database/sql"
	"maps"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	var w way
	tests := w.tests()
	maps.Copy(tests, map[string]func(*testing.T, func() *sql.DB){
		"the deletion fails":                 w.deletionFails,
		"a row that cannot be read":          w.unreadable,
		"what operators ask":                 w.operators,
		"what operators ask without a table": w.operatorsUnmigrated,
		"without its table":                  w.unmigrated,
		"its schema is apart and current":    w.schema,
	})
	dbtest.Each(t, fresh, tests)
}

// RunStream runs what of the suite must hold too where messages leave by the database's log.
func RunStream(t *testing.T, fresh dbtest.Fresh, stream func(t testing.TB, db *sql.DB) outbox.Stream) {
	dbtest.Each(t, fresh, way{stream}.tests())
}

// way is how messages leave the database: by the table, or by its log.
type way struct {
	stream func(t testing.TB, db *sql.DB) outbox.Stream
}

func (w way) tests() map[string]func(*testing.T, func() *sql.DB) {
	return map[string]func(*testing.T, func() *sql.DB){
		"published if committed":               w.committed,
		"what is published":                    w.contents,
		"a batch":                              w.batches,
		"order under failures and takeovers":   w.order,
		"a paused holder wakes":                w.paused,
		"crash before the publication":         w.crashBefore,
		"crash before the deletion":            w.crashAfter,
		"the answer is lost":                   w.answerLost,
		"a broker that is away":                w.away,
		"refused for good":                     w.refused,
		"refused with its batch":               w.refusedBatch,
		"not before its time":                  w.notBefore,
		"due in the middle of a look":          w.dueMeanwhile,
		"woken after the commit":               w.woken,
		"what is refused at the door":          w.badInput,
		"a database that cannot be written":    w.readOnly,
		"the end publishes no batch in halves": w.ending,
	}
}

// event is what the tests publish.
type event struct {
	Key string
	N   int
}

var happened = bus.Topic[event]{Name: "test.happened"} //nolint:gochecknoglobals // a topic is a constant

// migrated opens a database whose messages leave in this way from now on.
func (w way) migrated(t *testing.T, open func() *sql.DB) *sql.DB {
	t.Helper()
	db := open()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	if w.stream != nil {
		first := w.relayed(t, db, newBroker())
		dbtest.Eventually(t, "the log to be the way out", func() bool { return dbtest.Value[int](t, db, "SELECT count(*) FROM muster_outbox_log") == 1 })
		first.stop(t)
	}
	return db
}

// relay gives a relay what it needs for this way.
func (w way) relay(t testing.TB, r *outbox.Relay) *outbox.Relay {
	t.Helper()
	if w.stream != nil {
		r.Stream = w.stream(t, r.DB)
	}
	return r
}

// appendAll appends events of one key in one transaction, numbered from first.
func appendAll(t *testing.T, db *sql.DB, key string, first, n int) {
	t.Helper()
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		for i := range n {
			if err := outbox.Append(ctx, tx, happened, key, event{key, first + i}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func rows(t *testing.T, db *sql.DB) int {
	t.Helper()
	return dbtest.Value[int](t, db, "SELECT count(*) FROM muster_outbox")
}

// wantRows checks how many messages wait in the table, where they do.
func (w way) wantRows(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	if w.stream == nil {
		dbtest.Want(t, "rows", rows(t, db), n)
	}
}

// drained waits until all that was appended is published.
func (w way) drained(t *testing.T, db *sql.DB) {
	t.Helper()
	w.read(t, db, func() {})
	dbtest.Eventually(t, "the outbox to be empty", func() bool { return rows(t, db) == 0 })
}

// read waits until all that the log has so far was read: published, or put into the table.
func (w way) read(t *testing.T, db *sql.DB, meanwhile func()) {
	t.Helper()
	if w.stream == nil {
		return
	}
	here := dbtest.Value[string](t, db, "SELECT CAST(pg_current_wal_insert_lsn() AS text)")
	dbtest.Execute(t, db, "SELECT pg_logical_emit_message(true, 'muster.outbox/public', '')")
	dbtest.Eventually(t, "the log to be read", func() bool {
		meanwhile()
		return dbtest.Value[bool](t, db, "SELECT CAST(split_part(position, ' ', 1) AS pg_lsn) >= CAST($1 AS pg_lsn) FROM muster_outbox_log", here)
	})
}

// lapse ends the relay's lease, as if its time had passed.
func lapse(t testing.TB, db *sql.DB) {
	t.Helper()
	dbtest.Execute(t, db, "UPDATE muster_lease SET held_until = 1")
}

// relay is one that runs.
type relay struct {
	*outbox.Relay
	end  context.CancelFunc
	done chan error
}

func (w way) relayed(t *testing.T, db *sql.DB, b bus.Publisher) *relay {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &relay{w.relay(t, &outbox.Relay{DB: db, Publisher: b, Source: "/test"}), cancel, make(chan error, 1)}
	go func() {
		r.done <- r.Run(ctx)
		close(r.done)
	}()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends a relay, once or more often.
func (r *relay) stop(t *testing.T) {
	t.Helper()
	r.end()
	select {
	case err, ok := <-r.done:
		if ok && err != nil {
			t.Errorf("the relay ended with %v", err)
		}
	case <-time.After(dbtest.Patience):
		t.Error("the relay does not end")
	}
}

// holds waits until some relay holds the lease, and returns its fence.
func holds(t *testing.T, db *sql.DB, beyond int64) int64 {
	t.Helper()
	var fence int64
	dbtest.Eventually(t, "a relay to hold the lease", func() bool {
		return db.QueryRowContext(t.Context(), "SELECT fence FROM muster_lease WHERE held_until > 1 AND fence > $1", beyond).Scan(&fence) == nil
	})
	return fence
}
