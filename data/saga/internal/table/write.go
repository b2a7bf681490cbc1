package table

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/musterdev/muster/data/group"
	"github.com/musterdev/muster/data/tx"
)

// statements are those that every transition needs. PostgreSQL writes any number of rows
// with one, given a list for each column; SQLite, which has no way to go, row by row.
type statements struct {
	move, moveNoted, open, openNew string // of a group on PostgreSQL; move is of one row on SQLite
	moveAlone, noteNew             string // PostgreSQL: of one row, without and with a note
	openAlone                      string // of one row
	note                           string // not on PostgreSQL: adds to the history
	hold                           string
}

func (s *Table) statements() statements {
	if s.dialect == tx.Postgres {
		return statements{
			move: s.sql(moveMany + "i.n"), moveNoted: s.sql(moveManyNoted), open: s.sql(openMany), openNew: s.sql(openManyNew), hold: s.sql(holdOne),
			moveAlone: s.sql(moveOnly), noteNew: s.sql(moveNoted), openAlone: s.sql(openOne),
		}
	}
	if s.dialect == tx.MySQL {
		return statements{move: s.sql(moveOnly), openAlone: s.sql(openOne), note: s.sql(noteLast), hold: s.sql(holdOne)}
	}
	return statements{move: s.sql(moveOne), openAlone: s.sql(openOne), note: s.sql(noteOne), hold: s.sql(holdOne)}
}

const (
	holdOne  = `SELECT fence FROM muster_saga WHERE name = $1 AND id = $2 LOCK`
	moveOnly = `UPDATE muster_saga SET state = $1, undoing = $2, step = $3, attempts = $4, faults = $5, doubt = $6,
			data = COALESCE($7, data), reason = $8, error = $9, owner = CAST($10 AS TEXT), leased_until = CASE WHEN CAST($10 AS TEXT) = '' THEN 0 ELSE NOW + LEASE END,
			next_at = CASE WHEN CAST($11 AS BIGINT) = 0 AND next_at <= NOW THEN next_at ELSE NOW + CAST($11 AS BIGINT) END, fence = $12, version = $18, lost = 0, seq = seq + 1, updated = NOW,
			past = CASE WHEN CAST($19 AS TEXT) = '' THEN past ELSE past || (seq + 1) || ' ' || NOW || ' ' || CAST($19 AS TEXT) || ';' END
		WHERE name = CAST($13 AS TEXT) AND id = CAST($14 AS TEXT) AND fence = $15 AND state = $16 AND step = CAST($17 AS TEXT)`
	moveOne = moveOnly + ` RETURNING seq`
	openOne = `INSERT INTO muster_saga (name, id, version, state, undoing, step, attempts, faults, doubt, data, fence, owner,
			leased_until, next_at, reason, error, seq, trace_parent, created, updated)
		VALUES ($1, $2, $3, 'running', 0, $4, 0, 0, 0, $5, $6, CAST($7 AS TEXT), CASE WHEN CAST($7 AS TEXT) = '' THEN 0 ELSE NOW + LEASE END, NOW, '', '', 1, $8, NOW, NOW)
		ON CONFLICT (name, id) DO NOTHING`
	// moveNoted is moveOne with its note: one statement is one round trip, and one commit.
	moveNoted = `WITH moved AS (` + moveOne + `)
		INSERT INTO muster_saga_step (name, id, seq, step, direction, outcome, error, who, why, at)
		SELECT CAST($13 AS TEXT), CAST($14 AS TEXT), seq, CAST($17 AS TEXT), CAST($20 AS TEXT), CAST($21 AS TEXT), CAST($22 AS TEXT), CAST($23 AS TEXT), CAST($24 AS TEXT), NOW FROM moved`
	noteOne = `INSERT INTO muster_saga_step (name, id, seq, step, direction, outcome, error, who, why, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NOW)`
)

// Move is one transition of a saga: From becomes To, and Why is recorded, where there is a reason. To
// has an owner when it is to be its holder's on.
type Move struct {
	From, To *Row
	Why      *Event
}

// args are those of moveOne.
func (m *Move) args() []any {
	var data any // nil: as they are
	if !m.To.Same {
		data = m.To.Data
	}
	return []any{
		string(m.To.State), number(m.To.Undoing), m.To.Step, m.To.Attempts, m.To.Faults, number(m.To.Doubt),
		data, m.To.Reason, m.To.Err, m.To.Owner, m.To.After.Milliseconds(), m.To.Fence,
		m.From.Name, m.From.ID, m.From.Fence, string(m.From.State), m.From.Step, m.To.Version, m.past(),
	}
}

// direction is that of the step a saga was at.
func direction(r *Row) string {
	if r.Undoing {
		return "undo"
	}
	return "do"
}

// Write makes of the saga from, when it is still that, the saga to, and records why, in
// the caller's transaction. With an owner the lease begins anew; none of its holders
// counts as lost any more. It returns ErrLost when it is no longer.
func (s *Table) Write(ctx context.Context, t tx.Tx, from, to Row, why *Event) error {
	errs, err := s.write(ctx, t, []*Move{{&from, &to, why}})
	return first(errs, err)
}

// Save is Write in a transaction that it shares with the others who come at the same
// time.
func (s *Table) Save(ctx context.Context, from, to Row, why *Event) error {
	return s.Make(ctx, &Move{&from, &to, why})
}

// Make is Save for who has the rows already. When ctx ended before, they may still be read.
func (s *Table) Make(ctx context.Context, m *Move) error { return s.moves.Do(ctx, m) }

// Insert writes a new saga in the caller's transaction.
func (s *Table) Insert(ctx context.Context, t tx.Tx, r Row) error {
	errs, err := s.insert(ctx, t, []*Row{&r})
	return first(errs, err)
}

// Open is Insert in a transaction that it shares with the others who come at the same
// time. With an owner it has it from the beginning. When ctx ended before, r may still be read.
func (s *Table) Open(ctx context.Context, r *Row) error { return s.starts.Do(ctx, r) }

// flushTime bounds the writing of a group.
const flushTime = 5 * time.Second

func (s *Table) flushMoves(ctx context.Context, moves []*Move) (errs []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	return together(ctx, s, moves, s.write)
}

func (s *Table) flushStarts(ctx context.Context, starts []*Row) (errs []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	return together(ctx, s, starts, s.insert)
}

// together writes rows in one transaction.
func together[R any](ctx context.Context, s *Table, rows []R, write func(context.Context, group.Conn, []R) ([]error, error)) (errs []error, err error) {
	err = group.Commit(ctx, s.db, s.dialect, func(ctx context.Context, c group.Conn) error {
		errs, err = write(ctx, c, rows)
		return err
	})
	return errs, err
}

func (s *Table) write(ctx context.Context, t group.Conn, moves []*Move) ([]error, error) {
	if s.dialect == tx.Postgres {
		if len(moves) == 1 {
			return s.writeAlone(ctx, t, moves[0])
		}
		return s.writeMany(ctx, t, moves)
	}
	errs := make([]error, len(moves))
	for i, m := range moves {
		if s.dialect == tx.MySQL {
			var err error
			if errs[i], err = s.writeApart(ctx, t, m); err != nil {
				return nil, err
			}
			continue
		}
		var seq int64
		err := t.QueryRowContext(ctx, s.said.move, m.args()...).Scan(&seq)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			errs[i] = ErrLost
			continue
		case err == nil && m.Why != nil && m.past() == "":
			err = s.note(ctx, t, m.From, seq, *m.Why)
		}
		if err != nil {
			return nil, explain(err)
		}
	}
	return errs, nil
}

func (s *Table) insert(ctx context.Context, t group.Conn, starts []*Row) ([]error, error) {
	if s.dialect == tx.Postgres && len(starts) > 1 {
		return s.insertMany(ctx, t, starts)
	}
	errs := make([]error, len(starts))
	for i, r := range starts {
		done, err := t.ExecContext(ctx, s.said.openAlone, r.Name, r.ID, r.Version, r.Step, r.Data, r.Fence, r.Owner, r.Trace)
		if errs[i], err = written(done, err, ErrExists); err != nil {
			return nil, err
		}
	}
	return errs, nil
}

// writeAlone is writeMany for one, on PostgreSQL: such a statement is planned once, and
// what it did is told without rows.
func (s *Table) writeAlone(ctx context.Context, t group.Conn, m *Move) ([]error, error) {
	statement, args := s.said.moveAlone, m.args()
	if m.Why != nil && m.past() == "" {
		statement = s.said.noteNew
		args = append(args, direction(m.From), m.Why.Outcome, m.Why.Error, m.Why.By, m.Why.Why)
	}
	done, err := t.ExecContext(ctx, statement, args...)
	no, err := written(done, err, ErrLost)
	return []error{no}, err
}

// written is no where a statement for one row did nothing.
func written(done sql.Result, err, no error) (own, failed error) {
	var n int64
	if err == nil {
		n, err = done.RowsAffected()
	}
	switch {
	case err != nil:
		return nil, explain(err)
	case n == 0:
		return no, nil
	}
	return nil, nil
}

// note adds to a saga's history what became of the step it was at.
func (s *Table) note(ctx context.Context, t group.Conn, r *Row, seq int64, ev Event) error {
	_, err := t.ExecContext(ctx, s.said.note, r.Name, r.ID, seq, r.Step, direction(r), ev.Outcome, ev.Error, ev.By, ev.Why)
	return err
}

// first is what became of a group of one.
func first(errs []error, err error) error {
	if err == nil && len(errs) > 0 {
		err = errs[0]
	}
	return err
}
