package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// What a full disk does reaches whoever appends an event, by its name, and nothing of
// the transaction is there.
func TestAFullDiskIsNamedThroughTheOutbox(t *testing.T) {
	db := reopen(t, filepath.Join(t.TempDir(), "full.db"))
	db.SetMaxOpenConns(1) // the limit is a connection's own
	if err := outbox.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	err := tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		return outbox.AppendMsg(ctx, tx, bus.Msg{Topic: "test.full", Data: make([]byte, 500_000)})
	})
	if tx.SQLState(err) != diskFull || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("%q, %v", tx.SQLState(err), err)
	}
	if n := value[int](t, db, "SELECT count(*) FROM muster_outbox"); n != 0 {
		t.Errorf("%d rows", n)
	}
}
