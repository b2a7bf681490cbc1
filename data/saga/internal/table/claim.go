package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// Version names a definition.
type Version struct {
	Name   string
	Number int
}

// these is a condition for sagas of these versions, with its arguments; the first of
// them is the parameter from+1. It is written so that no plan goes by the primary key,
// which would read all sagas of a name, those that ended long ago too; and so that
// PostgreSQL expects most rows to meet it. Then it goes through the index in its order, and
// passes over what it once found dead there. Expecting few rows it would collect them all
// before, by a bitmap, and look up again and again each row that moved on since the last vacuum.
func these(versions []Version, from int) (condition string, args []any) {
	alternatives := make([]string, 0, len(versions))
	for _, v := range versions {
		alternatives = append(alternatives, fmt.Sprintf("(name || '' = $%d AND version = $%d)", from+1, from+2))
		args = append(args, v.Name, v.Number)
		from += 2
	}
	return "CASE WHEN " + strings.Join(alternatives, " OR ") + " THEN 1 ELSE 0 END <> 0", args
}

// Suspect is how many holders of a saga end in the middle of its step, one after the
// other, before it is suspected to be what ends them. Suspects are not carried on
// together: what ends the process of one would be held against all. The statements and
// an index have the number too.
const Suspect = 3

// Claim takes up to most sagas that are due and that nobody holds, of them up to
// suspects that are suspected.
func (s *Table) Claim(ctx context.Context, versions []Version, owner string, most, suspects int) (rows []Row, err error) {
	if s.dialect == tx.MySQL {
		return s.claimApart(ctx, versions, owner, most, suspects)
	}
	condition, args := these(versions, 3)
	// Those who lost a holder are about to be carried on, so that the state need not be asked.
	found, err := s.db.QueryContext(ctx, s.sql(`WITH suspected AS MATERIALIZED (SELECT name, id FROM muster_saga
			WHERE lost >= 3 AND next_at <= NOW AND leased_until <= NOW AND `+condition+`
			ORDER BY next_at LIMIT (SELECT CAST($3 AS BIGINT)) SKIP),
		due AS MATERIALIZED (SELECT name, id FROM muster_saga
			WHERE state IN ('running', 'compensating') AND lost < 3 AND next_at <= NOW AND leased_until <= NOW AND `+condition+`
			ORDER BY next_at LIMIT $2 - (SELECT count(*) FROM suspected) SKIP),
		these AS MATERIALIZED (SELECT name, id FROM suspected UNION ALL SELECT name, id FROM due)
		UPDATE muster_saga SET fence = fence + 1, owner = $1, leased_until = NOW + LEASE,
			lost = CASE WHEN owner <> '' THEN lost + 1 ELSE 0 END,
			doubt = CASE WHEN owner <> '' AND doubt = 0 THEN 2 ELSE doubt END
		WHERE (name, id) IN (SELECT name, id FROM these) RETURNING COLUMNS`),
		append([]any{owner, most, min(suspects, most)}, args...)...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		r, err := scan(found)
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	return rows, explain(found.Err())
}

// Window is how far ahead due looks.
const Window = time.Second

// Due returns how long it is until a saga that others let go of, or hold without a
// sign, can be claimed; Window when it is longer. suspects: those who are suspected too.
func (s *Table) Due(ctx context.Context, versions []Version, owner string, suspects bool) (time.Duration, error) {
	if s.dialect == tx.MySQL {
		return s.soonApart(ctx, versions, owner, suspects)
	}
	condition, args := these(versions, 3)
	var in *int64
	// No more are asked than tell enough; how many that is, is kept from PostgreSQL: see these.
	err := s.db.QueryRowContext(ctx, s.sql(`WITH soon AS MATERIALIZED (SELECT leased_until, next_at FROM muster_saga
			WHERE state IN ('running', 'compensating') AND next_at <= NOW + $2 AND CASE WHEN owner <> $1 THEN 1 ELSE 0 END <> 0
			AND CASE WHEN lost < 3 OR $3 = 1 THEN 1 ELSE 0 END <> 0 AND `+condition+` ORDER BY next_at LIMIT (SELECT 1000))
		SELECT min(CASE WHEN leased_until > next_at THEN leased_until ELSE next_at END) - NOW FROM soon`),
		append([]any{owner, Window.Milliseconds(), number(suspects)}, args...)...).Scan(&in)
	if err != nil || in == nil {
		return Window, explain(err)
	}
	return min(Window, time.Duration(*in)*time.Millisecond), nil
}

// fresh is how much is left of a lease that needs no beat: a saga that goes from step to step is not
// written for that besides.
const fresh = Lease - 700*time.Millisecond

// Beat extends the leases of all that owner holds, but for those that were extended just now, and
// returns what that is: the fence of each. Those that its own transactions have locked are
// left out; they are safe.
func (s *Table) Beat(ctx context.Context, owner string) (fences map[Key]int64, err error) {
	if s.dialect == tx.MySQL {
		return s.beatApart(ctx, owner)
	}
	found, err := s.db.QueryContext(ctx, s.sql(`WITH own AS MATERIALIZED (SELECT name, id FROM muster_saga WHERE owner = $1 AND owner <> ''
			AND leased_until <= NOW + $2 ORDER BY next_at LIMIT (SELECT 1000000) SKIP)
		UPDATE muster_saga SET leased_until = NOW + LEASE WHERE (name, id) IN (SELECT name, id FROM own) RETURNING name, id, fence`), owner, fresh.Milliseconds())
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	fences = map[Key]int64{}
	for found.Next() {
		var (
			k     Key
			fence int64
		)
		if err := found.Scan(&k.Name, &k.ID, &fence); err != nil {
			return nil, explain(err)
		}
		fences[k] = fence
	}
	return fences, explain(found.Err())
}

// LetGo ends the lease of one saga, in the middle of its step; it is not carried on
// before so long.
func (s *Table) LetGo(ctx context.Context, k Key, fence int64, after time.Duration) error {
	_, err := s.db.ExecContext(ctx, s.sql(`UPDATE muster_saga SET owner = '', leased_until = 0, next_at = NOW + $1, doubt = CASE WHEN doubt = 0 THEN 2 ELSE doubt END
		WHERE name = $2 AND id = $3 AND fence = $4 AND owner <> ''`), after.Milliseconds(), k.Name, k.ID, fence)
	return explain(err)
}

// LetAllGo ends all leases of an owner.
func (s *Table) LetAllGo(ctx context.Context, owner string) error {
	return explain(tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `UPDATE muster_saga SET owner = '', leased_until = 0, doubt = CASE WHEN doubt = 0 THEN 2 ELSE doubt END
			WHERE owner = $1`, owner)
		return err
	}))
}
