package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/data/group"
	"github.com/musterdev/muster/data/tx"
)

// MariaDB neither updates what another statement finds nor returns what it updated: what the others do
// with one statement is found, changed and read in one transaction. What is found is locked, and what others have
// locked is passed over.
const (
	suspectedApart = `SELECT name, id FROM muster_saga WHERE suspect_at <= NOW AND leased_until <= NOW AND `
	dueApart       = `SELECT name, id FROM muster_saga WHERE due_at <= NOW AND lost < 3 AND leased_until <= NOW AND `
	claimApart     = `UPDATE muster_saga SET fence = fence + 1, owner = $1, leased_until = NOW + LEASE,
		lost = CASE WHEN owner <> '' THEN lost + 1 ELSE 0 END,
		doubt = CASE WHEN owner <> '' AND doubt = 0 THEN 2 ELSE doubt END WHERE `
	soonApart = `SELECT min(CASE WHEN leased_until > next_at THEN leased_until ELSE next_at END) - NOW FROM
		(SELECT leased_until, next_at FROM muster_saga WHERE due_at <= NOW + $2 AND owner <> $1 AND (lost < 3 OR $3 = 1) AND `
	ownApart  = `SELECT name, id FROM muster_saga WHERE owner = $1 AND owner <> '' AND leased_until <= NOW + $2 SKIP`
	deadApart = `SELECT name, id FROM muster_saga WHERE owner <> '' AND substr(owner, 1, char_length($1)) = $1 SKIP`
	// noteLast adds to the history of a saga that has just been written.
	noteLast = `INSERT INTO muster_saga_step (name, id, seq, step, direction, outcome, error, who, why, at)
		SELECT name, id, seq, $3, $4, $5, $6, $7, $8, NOW FROM muster_saga WHERE name = $1 AND id = $2`
)

// started is when a statement began: else an index could not serve what is compared with it.
const started = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"

func (s *Table) claimApart(ctx context.Context, versions []Version, owner string, most, suspects int) (rows []Row, err error) {
	err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		var found []Key
		for _, look := range []struct {
			statement, order string
			most             func() int
		}{
			{suspectedApart, "suspect_at", func() int { return min(suspects, most) }},
			{dueApart, "due_at", func() int { return most - len(found) }},
		} {
			n := look.most()
			if n <= 0 {
				continue
			}
			condition, args := these(versions, 1)
			more, err := keys(t.QueryContext(ctx, s.sql(look.statement+condition+" ORDER BY "+look.order+" LIMIT $1 SKIP"), append([]any{n}, args...)...))
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
		rows = nil
		return inParts(found, func(part []Key) error {
			where, args := named(part, 1)
			args = append([]any{owner}, args...)
			if _, err := t.ExecContext(ctx, s.sql(claimApart+where), args...); err != nil {
				return err
			}
			more, err := scanAll(t.QueryContext(ctx, s.sql("SELECT COLUMNS FROM muster_saga WHERE "+where), args...))
			rows = append(rows, more...)
			return err
		})
	})
	if err != nil {
		return nil, explain(err)
	}
	return rows, nil
}

func (s *Table) beatApart(ctx context.Context, owner string) (fences map[Key]int64, err error) {
	err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		own, err := keys(t.QueryContext(ctx, s.sql(ownApart), owner, fresh.Milliseconds()))
		if err != nil {
			return err
		}
		fences = make(map[Key]int64, len(own))
		return inParts(own, func(part []Key) error {
			where, args := named(part, 0)
			if _, err := t.ExecContext(ctx, s.sql("UPDATE muster_saga SET leased_until = NOW + LEASE WHERE "+where), args...); err != nil {
				return err
			}
			rows, err := scanAll(t.QueryContext(ctx, s.sql("SELECT COLUMNS FROM muster_saga WHERE "+where), args...))
			for _, r := range rows {
				fences[r.Key()] = r.Fence
			}
			return err
		})
	})
	return fences, explain(err)
}

func (s *Table) buryApart(ctx context.Context, begins string) error {
	return explain(tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		dead, err := keys(t.QueryContext(ctx, s.sql(deadApart), begins))
		if err != nil {
			return err
		}
		return inParts(dead, func(part []Key) error {
			where, args := named(part, 0)
			_, err := t.ExecContext(ctx, s.sql("UPDATE muster_saga SET leased_until = 0 WHERE "+where), args...)
			return err
		})
	}))
}

func (s *Table) soonApart(ctx context.Context, versions []Version, owner string, suspects bool) (time.Duration, error) {
	condition, args := these(versions, 3)
	var in *int64
	err := s.db.QueryRowContext(ctx, s.sql(soonApart+condition+` ORDER BY due_at LIMIT 1000) AS soon`), append([]any{owner, Window.Milliseconds(), number(suspects)}, args...)...).Scan(&in)
	if err != nil || in == nil {
		return Window, explain(err)
	}
	return min(Window, time.Duration(*in)*time.Millisecond), nil
}

// writeApart writes one transition, and its note.
func (s *Table) writeApart(ctx context.Context, t group.Conn, m *Move) (own, failed error) {
	done, err := t.ExecContext(ctx, s.said.move, m.args()...)
	if own, err = written(done, err, ErrLost); own != nil || err != nil || m.Why == nil || m.past() != "" {
		return own, err
	}
	_, err = t.ExecContext(ctx, s.said.note, m.From.Name, m.From.ID, m.From.Step, direction(m.From), m.Why.Outcome, m.Why.Error, m.Why.By, m.Why.Why)
	return nil, explain(err)
}

// inParts calls fn for some keys after the other: statements have an end.
func inParts(all []Key, fn func(part []Key) error) error {
	const most = 100
	for len(all) > 0 {
		n := min(most, len(all))
		if err := fn(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// named is a condition for these sagas, with its arguments; the first of them is the parameter from+1.
func named(these []Key, from int) (condition string, args []any) {
	alternatives := make([]string, len(these))
	for i, k := range these {
		alternatives[i] = fmt.Sprintf("name = $%d AND id = $%d", from+1, from+2)
		args = append(args, k.Name, k.ID)
		from += 2
	}
	return strings.Join(alternatives, " OR "), args
}

// keys reads names and ids.
func keys(found *sql.Rows, err error) (list []Key, failed error) {
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, found.Close()) }()
	for found.Next() {
		var k Key
		if err := found.Scan(&k.Name, &k.ID); err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, found.Err()
}

// scanAll reads COLUMNS of all rows.
func scanAll(found *sql.Rows, err error) (rows []Row, failed error) {
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, found.Close()) }()
	for found.Next() {
		r, err := scan(found)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}
