package datatest

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
)

// An operation within another's transaction would wait for that one for ever.
func idempotencyNested(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), dbtest.Patience)
	defer cancel()
	inner := func(ctx context.Context) map[string]error {
		_, run := pay(idempotency.Part(ctx, "b"), db, nothing)
		_, begun := idempotency.Begin(idempotency.Part(ctx, "c"), db, nil)
		return map[string]error{"Run": run, "Begin": begun}
	}
	told := func(outer string, ctx context.Context) {
		for name, err := range inner(ctx) {
			if err == nil || !strings.Contains(err.Error(), "within the function of another") {
				t.Errorf("%s in %s: %v", name, outer, err)
			}
		}
	}
	var late context.Context
	for name, ctx := range map[string]context.Context{"Run": request(ctx, "r"), "Run without a key": ctx} {
		_, err := idempotency.Run(ctx, db, func(ctx context.Context, _ tx.Tx) (string, error) {
			late = ctx //nolint:fatcontext // to use it when its transaction is over
			told(name, ctx)
			return "done", nil
		})
		dbtest.Succeed(t, err)
	}
	_, err := idempotency.Begin(request(ctx, "b"), db, func(ctx context.Context, _ tx.Tx, _ *idempotency.Claim) error {
		told("Begin", ctx)
		return nil
	})
	dbtest.Succeed(t, err)
	dbtest.Want(t, "effects", effects(t, db), 0)

	_, err = pay(request(late, "late"), db, nothing) // the transaction is over, whatever its context says
	dbtest.Succeed(t, err)
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func idempotencyUnmigrated(t *testing.T, open func() *sql.DB) {
	db := open()
	_, run := pay(request(t.Context(), "k"), db, nothing)
	_, begun := idempotency.Begin(request(t.Context(), "k"), db, nil)
	_, swept := idempotency.Sweep(t.Context(), db, time.Hour)
	for name, err := range map[string]error{"Run": run, "Begin": begun, "Sweep": swept} {
		if err == nil || strings.Count(err.Error(), "call idempotency.Migrate") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
