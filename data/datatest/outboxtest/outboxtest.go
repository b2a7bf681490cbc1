// Package outboxtest is the part of the suite that package outbox must pass.
package outboxtest

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"published if committed":               committed,
		"what is published":                    contents,
		"a batch":                              batches,
		"order under failures and takeovers":   order,
		"a paused holder wakes":                paused,
		"crash before the publication":         crashBefore,
		"crash before the deletion":            crashAfter,
		"the answer is lost":                   answerLost,
		"the deletion fails":                   deletionFails,
		"a broker that is away":                away,
		"refused for good":                     refused,
		"refused with its batch":               refusedBatch,
		"a row that cannot be read":            unreadable,
		"what operators ask":                   operators,
		"what operators ask without a table":   operatorsUnmigrated,
		"not before its time":                  notBefore,
		"due in the middle of a look":          dueMeanwhile,
		"woken after the commit":               woken,
		"what is refused at the door":          badInput,
		"without its table":                    unmigrated,
		"a database that cannot be written":    readOnly,
		"its schema is apart and current":      schema,
		"the end publishes no batch in halves": ending,
	})
}

// event is what the tests publish.
type event struct {
	Key string
	N   int
}

var happened = bus.Topic[event]{Name: "test.happened"} //nolint:gochecknoglobals // a topic is a constant

func migrated(t *testing.T, open func() *sql.DB) *sql.DB {
	t.Helper()
	db := open()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	return db
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

func drained(t *testing.T, db *sql.DB) {
	t.Helper()
	dbtest.Eventually(t, "the outbox to be empty", func() bool { return rows(t, db) == 0 })
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

func relayed(t *testing.T, db *sql.DB, b bus.Publisher) *relay {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &relay{&outbox.Relay{DB: db, Publisher: b, Source: "/test"}, cancel, make(chan error, 1)}
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
