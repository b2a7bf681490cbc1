package parking

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
)

// receipt is what Settle needs to find a leased row.
type receipt struct{ id, fence int64 }

// Due leases to the caller, for [Lease], messages of the group that are to be tried
// now: of each key only the first, none that is dead or leased, up to most of them (1
// to 1000), those that have waited longest. A try that ends without Settle, in a crash,
// counts as one that failed, and in Lost.
func (s *Store) Due(ctx context.Context, group string, most int) ([]bus.Parked, error) {
	var some bool // only read, for there is nothing nearly always
	err := s.db.QueryRowContext(ctx, s.sql(`SELECT EXISTS (SELECT 1 FROM muster_parked p WHERE `+isDue+`)`), group).Scan(&some)
	if err != nil || !some {
		return nil, explain(err)
	}
	rows, err := s.lease(ctx, group, min(max(most, 1), 1000))
	if err != nil {
		return nil, explain(err)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.id, b.id) })
	var due []bus.Parked
	for _, r := range rows {
		p := bus.Parked{Group: group, Attempts: r.attempts, Lost: r.lost, Error: r.wrong, Receipt: r.receipt}
		if p.Msg, err = message(r.attributes, r.data); err != nil { // nobody can try it: a person must see it
			if err := s.settle(ctx, r.receipt, bus.Outcome{Dead: true, Error: err.Error()}); err != nil {
				return due, err
			}
			continue
		}
		due = append(due, p)
	}
	return due, nil
}

// row is one that was leased.
type row struct {
	receipt

	attempts, lost    int
	wrong, attributes string
	data              []byte
}

// isDue is the condition for a row p of the group $1.
const isDue = `p.consumer = $1 AND NOT p.dead AND p.next <= NOW AND p.leased_until <= NOW AND (p."key" = '' OR NOT EXISTS
	(SELECT 1 FROM muster_parked h WHERE h.consumer = p.consumer AND h."key" = p."key" AND h.id < p.id))`

// taken is what becomes of a row that is leased, for $2 milliseconds.
const taken = `UPDATE muster_parked SET attempts = attempts + 1, lost = CASE WHEN leased_until > 0 THEN lost + 1 ELSE 0 END, fence = fence + 1, leased_until = NOW + $2`

// seen is what is told of it.
const seen = `id, fence, attempts - 1, lost, error, attributes, data`

func (s *Store) lease(ctx context.Context, group string, most int) (rows []row, err error) {
	if s.dialect == tx.MySQL {
		err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
			rows, err = s.leaseApart(ctx, t, group, most)
			return err
		})
		return rows, err
	}
	skip := "" // SQLite has one writer
	if s.dialect == tx.Postgres {
		skip = skipLocked
	}
	// Materialized, for a plan that evaluates the selection once more leases more than it says.
	return read(s.db.QueryContext(ctx, s.sql(`WITH due AS MATERIALIZED (SELECT id FROM muster_parked p WHERE `+isDue+` ORDER BY next, id LIMIT $3`+skip+`)
		`+taken+` WHERE id IN (SELECT id FROM due) RETURNING `+seen), group, Lease.Milliseconds(), most))
}

const skipLocked = " FOR UPDATE SKIP LOCKED"

// leaseApart is for an engine that neither updates what another statement finds nor returns what it updated.
func (s *Store) leaseApart(ctx context.Context, t tx.Tx, group string, most int) ([]row, error) {
	found, err := read(t.QueryContext(ctx, s.sql(`SELECT `+seen+` FROM muster_parked p WHERE `+isDue+` ORDER BY next, id LIMIT $2`+skipLocked), group, most))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	args, places := []any{nil, Lease.Milliseconds()}, make([]string, len(found))
	for i, r := range found {
		args = append(args, r.id)
		places[i] = fmt.Sprint("$", len(args))
	}
	these := ` WHERE id IN (` + strings.Join(places, ", ") + `)`
	if _, err := t.ExecContext(ctx, s.sql(taken+these), args...); err != nil {
		return nil, err
	}
	return read(t.QueryContext(ctx, `SELECT `+seen+` FROM muster_parked`+these, args...))
}

func read(found *sql.Rows, err error) (rows []row, failed error) {
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, found.Close()) }()
	for found.Next() {
		var r row
		if err := found.Scan(&r.id, &r.fence, &r.attempts, &r.lost, &r.wrong, &r.attributes, &r.data); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}
