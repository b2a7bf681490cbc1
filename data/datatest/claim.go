package datatest

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func runClaim(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"once":                      claimOnce,
		"one at a time":             claimOneAtATime,
		"a crash is taken over":     claimTakenOver,
		"many take over at once":    claimTakenOverAtOnce,
		"released":                  claimReleased,
		"its beginning is atomic":   claimBeginning,
		"kept while the work lasts": claimKept,
		"without a key":             claimNoKey,
	})
}

// lapse ends all leases, as if their time had passed.
func lapse(t *testing.T, db *sql.DB) {
	t.Helper()
	dbtest.Execute(t, db, "UPDATE muster_idempotency SET locked_until = 1 WHERE answer IS NULL")
}

func begin(t *testing.T, ctx context.Context, db *sql.DB) *idempotency.Claim { //nolint:revive // t first, as everywhere here
	t.Helper()
	c, err := idempotency.Begin(ctx, db, nil)
	dbtest.Succeed(t, err)
	return c
}

// finish is the last transaction of an operation.
func finish(ctx context.Context, db *sql.DB, c *idempotency.Claim, answer string) error {
	return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, "INSERT INTO effect VALUES ($1, $2)", c.ID(), answer); err != nil {
			return err
		}
		return c.Finish(ctx, t, answer)
	})
}

func claimOnce(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	first := request(t.Context(), "k")
	c := begin(t, first, db)
	if replayed, err := c.Answer(new(string)); replayed || err != nil || c.Resumed() || c.Fence() != 1 || c.ID() == "" {
		t.Errorf("a new claim: replayed %t, %v, resumed %t, fence %d, id %q", replayed, err, c.Resumed(), c.Fence(), c.ID())
	}
	dbtest.Succeed(t, finish(t.Context(), db, c, "done"))
	dbtest.Want(t, "replayed", idempotency.Replayed(first), false)
	for _, db := range []*sql.DB{db, open()} {
		ctx := request(t.Context(), "k")
		again, err := idempotency.Begin(ctx, db, func(context.Context, tx.Tx, *idempotency.Claim) error {
			t.Error("what was done begins again")
			return nil
		})
		dbtest.Succeed(t, err)
		var answer string
		replayed, err := again.Answer(&answer)
		dbtest.Succeed(t, err)
		dbtest.Want(t, "answer", answer, "done")
		dbtest.Want(t, "replayed", replayed && idempotency.Replayed(ctx), true)
		dbtest.Want(t, "id", again.ID(), c.ID())
	}
	if err := finish(t.Context(), db, c, "again"); !errors.Is(err, idempotency.ErrFenced) {
		t.Errorf("finished twice: %v", err)
	}
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func claimOneAtATime(t *testing.T, open func() *sql.DB) {
	pools := []*sql.DB{open(), open(), open()}
	ledger(t, pools[0])
	var claims, busy atomic.Int32
	dbtest.Together(9, func(i int) {
		_, err := idempotency.Begin(request(t.Context(), "k"), pools[i%3], nil)
		switch {
		case err == nil:
			claims.Add(1)
		case errors.Is(err, idempotency.ErrInFlight):
			busy.Add(1)
		default:
			t.Error(err)
		}
	})
	dbtest.Want(t, "claims", claims.Load(), 1)
	dbtest.Want(t, "in flight", busy.Load(), 8)
	p := problem.From(idempotency.ErrInFlight)
	dbtest.Want(t, "status", p.HTTPStatus(), 409)
	dbtest.Want(t, "retry after", p.RetryAfter.Seconds(), 1)
	if _, err := pay(request(t.Context(), "k"), pools[0], nothing); !errors.Is(err, idempotency.ErrInFlight) {
		t.Errorf("Run beside a claim: %v", err)
	}
}

// The old owner of a claim that was taken over can finish nothing any more.
func claimTakenOver(t *testing.T, open func() *sql.DB) {
	db, other := open(), open()
	ledger(t, db)
	old := begin(t, request(t.Context(), "k"), db)
	if _, err := idempotency.Begin(request(t.Context(), "k"), other, nil); !errors.Is(err, idempotency.ErrInFlight) {
		t.Fatalf("during the lease: %v", err)
	}
	lapse(t, db)
	dbtest.Succeed(t, old.Extend(t.Context())) // nobody has taken over yet
	lapse(t, db)
	taken := begin(t, request(t.Context(), "k"), other)
	dbtest.Want(t, "resumed", taken.Resumed(), true)
	dbtest.Want(t, "id", taken.ID(), old.ID())
	dbtest.Want(t, "fence", taken.Fence(), old.Fence()+1)
	if err := finish(t.Context(), db, old, "old"); !errors.Is(err, idempotency.ErrFenced) {
		t.Errorf("the old owner finished: %v", err)
	}
	for what, err := range map[string]error{"extended": old.Extend(t.Context()), "released": old.Release(t.Context())} {
		if !errors.Is(err, idempotency.ErrFenced) {
			t.Errorf("the old owner %s: %v", what, err)
		}
	}
	dbtest.Want(t, "effects of the old owner", effects(t, db), 0)
	dbtest.Succeed(t, finish(t.Context(), other, taken, "new"))
	var answer string
	_, err := begin(t, request(t.Context(), "k"), db).Answer(&answer)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "answer", answer, "new")
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func claimTakenOverAtOnce(t *testing.T, open func() *sql.DB) {
	pools := []*sql.DB{open(), open(), open()}
	ledger(t, pools[0])
	begin(t, request(t.Context(), "k"), pools[0])
	for round := int64(2); round < 5; round++ {
		lapse(t, pools[0])
		var taken atomic.Int32
		dbtest.Together(6, func(i int) {
			c, err := idempotency.Begin(request(t.Context(), "k"), pools[i%3], nil)
			switch {
			case err == nil:
				taken.Add(1)
				dbtest.Want(t, "fence", c.Fence(), round)
			case !errors.Is(err, idempotency.ErrInFlight):
				t.Error(err)
			}
		})
		dbtest.Want(t, "taken over", taken.Load(), 1)
	}
	lapse(t, pools[0])
	ctx := request(t.Context(), "k")
	_, err := pay(ctx, pools[1], nothing) // Run takes over as well
	dbtest.Succeed(t, err)
	dbtest.Want(t, "effects", effects(t, pools[0]), 1)
}

func claimReleased(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	c := begin(t, request(t.Context(), "k"), db)
	dbtest.Succeed(t, c.Release(t.Context()))
	again := begin(t, request(t.Context(), "k"), db)
	dbtest.Want(t, "resumed", again.Resumed(), true)
	dbtest.Want(t, "id", again.ID(), c.ID())
	if err := finish(t.Context(), db, c, "late"); !errors.Is(err, idempotency.ErrFenced) {
		t.Errorf("finished after the next attempt began: %v", err)
	}
	dbtest.Succeed(t, finish(t.Context(), db, again, "done"))
}

// The pending row and the claim are there together or not at all.
func claimBeginning(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	boom := errors.New("boom")
	pending := func(end error) func(context.Context, tx.Tx, *idempotency.Claim) error {
		return func(ctx context.Context, tx tx.Tx, c *idempotency.Claim) error {
			var n int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM effect WHERE "key" = $1`, c.ID()).Scan(&n); err != nil {
				return err
			}
			dbtest.Want(t, "resumed with the row there", c.Resumed(), n == 1)
			if c.Resumed() {
				return end
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO effect VALUES ($1, 'pending')", c.ID())
			return errors.Join(err, end)
		}
	}
	if _, err := idempotency.Begin(request(t.Context(), "k"), db, pending(boom)); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	dbtest.Want(t, "effects of a failed beginning", effects(t, db), 0)
	for range 3 {
		_, err := idempotency.Begin(request(t.Context(), "k"), db, pending(nil))
		dbtest.Succeed(t, err)
		lapse(t, db)
	}
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func claimKept(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	c := begin(t, request(t.Context(), "k"), db)
	ctx, stop := c.Keep(t.Context())
	lapse(t, db)
	dbtest.Eventually(t, "the lease to be extended", func() bool {
		return dbtest.Value[int64](t, db, "SELECT locked_until FROM muster_idempotency") > 1
	})
	if ctx.Err() != nil {
		t.Error(context.Cause(ctx))
	}
	dbtest.Execute(t, db, "UPDATE muster_idempotency SET fence = fence + 1") // another attempt
	select {
	case <-ctx.Done():
	case <-t.Context().Done():
	}
	if err := context.Cause(ctx); !errors.Is(err, idempotency.ErrFenced) {
		t.Errorf("the work was stopped because of %v", err)
	}
	stop()
}

func claimNoKey(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	ran := false
	c, err := idempotency.Begin(t.Context(), db, func(context.Context, tx.Tx, *idempotency.Claim) error { ran = true; return nil })
	dbtest.Succeed(t, err)
	dbtest.Want(t, "ran", ran, true)
	dbtest.Want(t, "resumed", c.Resumed(), false)
	dbtest.Want(t, "fence", c.Fence(), 1)
	if other := begin(t, t.Context(), db); other.ID() == "" || other.ID() == c.ID() {
		t.Errorf("ids %q and %q", c.ID(), other.ID())
	}
	replayed, err := c.Answer(new(string))
	dbtest.Succeed(t, errors.Join(err, c.Extend(t.Context()), finish(t.Context(), db, c, "done"), c.Release(t.Context())))
	dbtest.Want(t, "replayed", replayed, false)
	kept, stop := c.Keep(t.Context())
	stop()
	dbtest.Want(t, "stopped", kept.Err() != nil, true)
	dbtest.Want(t, "records", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_idempotency"), 0)
}
