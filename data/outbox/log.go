package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Log is the state of an outbox whose messages leave by the database's log.
type Log struct {
	Slot   string `json:"slot"`
	State  string `json:"state"`          // of the slot, as pg_replication_slots.wal_status says; "missing"
	Active bool   `json:"active"`         // it is being read
	Bytes  int64  `json:"bytes"`          // of the log, that of all else in it included, which were not read yet
	Lost   string `json:"lost,omitempty"` // why nothing is published until AcceptLoss
}

// entry is the row of muster_outbox_log.
type entry struct {
	slot     string
	position Position
	lost     string
}

// entryOf returns the row; ok is false where messages leave by the table.
func entryOf(ctx context.Context, db *sql.DB) (e entry, ok bool, err error) {
	err = db.QueryRowContext(ctx, `SELECT slot, position, COALESCE(lost, '') FROM muster_outbox_log`).Scan(&e.slot, &e.position, &e.lost)
	if errors.Is(err, sql.ErrNoRows) {
		return e, false, nil
	}
	if err != nil {
		return e, false, explain(err)
	}
	return e, true, nil
}

// logOf returns the state of the log, nil where messages leave by the table.
func logOf(ctx context.Context, db *sql.DB) (*Log, error) {
	var l Log
	err := db.QueryRowContext(ctx, `SELECT l.slot, COALESCE(s.wal_status, 'missing'), COALESCE(s.active, false), COALESCE(l.lost, ''),
		CAST(GREATEST(pg_wal_lsn_diff(pg_current_wal_lsn(), CAST(split_part(l.position, ' ', 1) AS pg_lsn)), 0) AS bigint)
		FROM muster_outbox_log l LEFT JOIN pg_replication_slots s ON s.slot_name = l.slot`).Scan(&l.Slot, &l.State, &l.Active, &l.Lost, &l.Bytes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // no log is no error
	}
	if err != nil {
		return nil, explain(err)
	}
	return &l, nil
}

// AcceptLoss has a relay go on that had stopped because a part of the database's log cannot
// be read any more: by whom, and why. What was lost stays lost: it is for the caller to find out
// from the database what was not told. Errors are invalid_argument for a name or reason that is missing,
// and failed_precondition where nothing is lost.
func AcceptLoss(ctx context.Context, db *sql.DB, by, why string) error {
	dialect, err := dialectOf(db)
	if err != nil {
		return err
	}
	if strings.TrimSpace(by) == "" || strings.TrimSpace(why) == "" {
		return problem.New(problem.InvalidArgument, "say who takes the loss as it is, and why").WithField("by", "by and why are needed")
	}
	var n int64
	if dialect == tx.Postgres {
		res, err := db.ExecContext(ctx, `UPDATE muster_outbox_log SET slot = '', lost = NULL, by_whom = $1, why = $2 WHERE lost IS NOT NULL`, by, why)
		if err != nil {
			return explain(err)
		}
		if n, err = res.RowsAffected(); err != nil {
			return err
		}
	}
	if n == 0 {
		return problem.New(problem.FailedPrecondition, "the outbox has lost nothing")
	}
	return nil
}

// Leave has the messages of db leave by the table again. It waits, until ctx ends, for the
// relays to stop: end the service before. Writers wait for it a moment. Afterwards
// relays without a Stream go on.
func Leave(ctx context.Context, db *sql.DB, s Stream) error {
	if db == nil {
		return errNoDB
	}
	had := false
	err := lease.Run(ctx, db, leaseName, "leaving the log", func(ctx context.Context, h lease.Held) error {
		had = true
		e, there, err := entryOf(ctx, db)
		switch {
		case err != nil || !there:
			return err
		case e.lost != "":
			return problem.New(problem.FailedPrecondition, "the outbox has lost a part of its log (%s): take that as it is (AcceptLoss) before", e.lost)
		}
		if err := leave(ctx, db, h, s, e); err != nil || e.slot == "" {
			return err
		}
		return s.Drop(ctx, db, e.slot)
	})
	if err == nil && !had {
		return fmt.Errorf("outbox: a relay is at work, end it before: %w", context.Cause(ctx))
	}
	return err
}

// leave puts what was not read into the table, in the transaction that makes it the way out.
func leave(ctx context.Context, db *sql.DB, h lease.Held, s Stream, e entry) error {
	return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		if err := h.Check(ctx, t); err != nil {
			return err
		}
		if err := toTable(ctx, t); err != nil { // from here on nobody appends until the commit
			return err
		}
		if e.slot != "" {
			if err := flush(ctx, db); err != nil { // what was committed without a sync is to be read too
				return err
			}
			rest, err := s.Rest(ctx, t, e.slot, e.position)
			if err != nil {
				return err
			}
			for _, m := range rest {
				if err := putBack(ctx, t, waitingFor(m)); err != nil {
					return err
				}
			}
		}
		return all(ctx, t, `DELETE FROM muster_outbox_log`)
	})
}

// flush has all commits so far on the disk, for logs are read as far as that.
func flush(ctx context.Context, db *sql.DB) error {
	return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		return all(ctx, t, `SET LOCAL synchronous_commit = on`, `SELECT pg_logical_emit_message(true, 'muster.flush', '')`)
	})
}

// locking bounds how long the change of ways waits for writers, who in turn wait behind it.
const locking = `SET LOCAL lock_timeout = '2s'`

// toLog and toTable change the way by which messages leave. They wait until no
// transaction that has appended is open, and none can until the commit.
func toLog(ctx context.Context, t tx.Tx) error {
	return all(ctx, t, locking, `ALTER TABLE muster_outbox DISABLE TRIGGER muster_outbox_turn, ENABLE TRIGGER muster_outbox_emit`)
}

func toTable(ctx context.Context, t tx.Tx) error {
	return all(ctx, t, locking, `ALTER TABLE muster_outbox DISABLE TRIGGER muster_outbox_emit, ENABLE TRIGGER muster_outbox_turn`,
		// so that the numbers go on from those of the log
		`SELECT setval('muster_outbox_id', GREATEST(nextval('muster_outbox_id'), CAST(pg_current_wal_insert_lsn() - '0/0' AS bigint)))`)
}

func all(ctx context.Context, t tx.Tx, statements ...string) error {
	for _, s := range statements {
		if _, err := t.ExecContext(ctx, s); err != nil {
			return explain(err)
		}
	}
	return nil
}

// putBack writes a message of the log into the table, behind all that is there.
func putBack(ctx context.Context, t tx.Tx, w waits) error {
	_, err := t.ExecContext(ctx, `INSERT INTO muster_outbox (id, topic, "key", attributes, data, not_before, error, created)
		VALUES (nextval('muster_outbox_id'), $1, $2, $3, $4, $5, $6, $7)`,
		w.Topic, w.Key, w.attributes, w.data, w.notBefore, sql.NullString{String: w.refused, Valid: w.refused != ""}, w.committed)
	if err != nil {
		return explain(err)
	}
	return nil
}
