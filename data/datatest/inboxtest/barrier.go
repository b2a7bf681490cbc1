package inboxtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/tx"
)

// taking is a participant: Do books five cents, Undo takes them back.
func taking(ctx context.Context, db *sql.DB, key string, undo bool) error {
	b := inbox.Barrier{Name: "books.pay"}
	return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		ask, cents := b.Do, 5
		if undo {
			ask, cents = b.Undo, -5
		}
		run, err := ask(ctx, t, key)
		if err != nil || !run {
			return err
		}
		_, err = t.ExecContext(ctx, "INSERT INTO ledger VALUES ($1)", cents)
		return err
	})
}

func barrier(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	for i, tc := range []struct {
		asked   string // d, u
		effects string // of those that had one
		late    bool   // the last is told that it was undone
	}{
		{"d", "5", false},
		{"dd", "5", false},
		{"du", "5 -5", false},
		{"dudu", "5 -5", true},
		{"ddu u", "5 -5", false},
		{"u", "", false},
		{"uu", "", false},
		{"ud", "", true},
		{"uud", "", true},
		{"udu", "", true},
	} {
		dbtest.Execute(t, db, "DELETE FROM ledger")
		key := fmt.Sprint("checkout/o-", i, "/pay")
		late := false
		for _, c := range strings.ReplaceAll(tc.asked, " ", "") {
			direction := map[rune]string{'d': "/do", 'u': "/undo"}[c]
			err := taking(t.Context(), db, key+direction, c == 'u')
			switch {
			case errors.Is(err, inbox.ErrUndone):
				late = true
			case err != nil:
				t.Error(tc.asked, err)
			}
		}
		n, sum := len(strings.Fields(tc.effects)), 0
		if n == 1 {
			sum = 5
		}
		dbtest.Want(t, tc.asked+" effects", dbtest.Value[int](t, db, "SELECT count(*) FROM ledger"), n)
		dbtest.Want(t, tc.asked+" booked", dbtest.Value[int](t, db, "SELECT COALESCE(sum(cents), 0) FROM ledger"), sum)
		dbtest.Want(t, tc.asked+" late", late, tc.late)
	}
	// A Do that was rolled back never was.
	failed := errors.New("the till is jammed")
	if err := tx.Do(t.Context(), db, func(ctx context.Context, t *sql.Tx) error {
		_, err := inbox.Barrier{Name: "books.pay"}.Do(ctx, t, "checkout/o-99/pay/do")
		return errors.Join(err, failed)
	}); !errors.Is(err, failed) {
		t.Error(err)
	}
	dbtest.Execute(t, db, "DELETE FROM ledger")
	dbtest.Succeed(t, taking(t.Context(), db, "checkout/o-99/pay/undo", true))
	dbtest.Want(t, "undone what never was", dbtest.Value[int](t, db, "SELECT count(*) FROM ledger"), 0)
	if err := taking(t.Context(), open(), "", false); err == nil || !strings.Contains(err.Error(), "noted by group, source and id") {
		t.Error("no key:", err)
	}
}

// barrierTogether: Do and Undo of many steps come at the same moment, twice each. Whichever
// is first, in the end nothing is booked.
func barrierTogether(t *testing.T, open func() *sql.DB) {
	const steps = 30
	db := migrated(t, open)
	other := open()
	dbtest.Together(4*steps, func(i int) {
		undo, pool := i/steps%2 == 1, db
		if i%2 == 1 {
			pool = other
		}
		err := taking(t.Context(), pool, fmt.Sprint("checkout/o-", i%steps, "/pay"), undo)
		if err != nil && (undo || !errors.Is(err, inbox.ErrUndone)) {
			t.Error(err)
		}
	})
	dbtest.Want(t, "booked", dbtest.Value[int](t, db, "SELECT COALESCE(sum(cents), 0) FROM ledger"), 0)
	dbtest.Want(t, "notes", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_inbox"), 2*steps)
}
