package together

import (
	"database/sql"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
)

// inherited: an engine that is known to be its owner's only one takes over at once what the
// process before held, and nobody else's.
func inherited(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Remote("a"), w.Local("b"))
	w.Desk(s)
	holders := map[string]string{"mine": "one/before", "neighbour's": "one-2/now", "other's": "two/now", "namesake's": "one"}
	for id, owner := range holders {
		w.Start(s, id)
		// In an hour, so that nobody waits for that.
		dbtest.Execute(t, w.DB, `UPDATE muster_saga SET owner = $2, fence = 1, leased_until = next_at + 3600000 WHERE id = $1`, id, owner)
	}
	w.Engine(open(), saga.Config{Owner: "one", Sole: true}, w.Trip(s.Steps...))
	w.Await("mine", saga.Completed)
	dbtest.Want(t, "lost", dbtest.Value[int](t, w.DB, `SELECT lost FROM muster_saga WHERE id = 'mine'`), 0)
	dbtest.Want(t, "fence", dbtest.Value[int64](t, w.DB, `SELECT fence FROM muster_saga WHERE id = 'mine'`) > 1, true)
	w.Start(s, "new") // done after all others could have been
	w.Await("new", saga.Completed)
	w.Engine(open(), saga.Config{Owner: "two"}, w.Trip(s.Steps...))
	w.Start(s, "newer")
	w.Await("newer", saga.Completed)
	for id, owner := range holders {
		if id != "mine" {
			dbtest.Want(t, id, dbtest.Value[string](t, w.DB, `SELECT owner FROM muster_saga WHERE id = $1`, id), owner)
		}
	}
}
