package idempotency

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// store speaks to the table. Its clock is the database's: those of replicas differ.
type store struct {
	now   string
	looks bool // before it inserts: a row that an insert has met MariaDB keeps for reading, and two who then want to change it wait for each other
}

func storeOf(db *sql.DB) (store, error) {
	if db == nil {
		return store{}, errNoDB
	}
	dialect, err := tx.DialectOf(db)
	return newStore(dialect), err
}

func newStore(d tx.Dialect) store { return store{now: d.Now(), looks: d == tx.MySQL} }

// sql writes the clock into a statement.
func (s store) sql(query string) string { return strings.ReplaceAll(query, "NOW", s.now) }

// record is a row of the table.
type record struct {
	id          string
	fingerprint []byte
	fence       int64
	live        bool // its last attempt's lease has not ended
	answer      []byte
}

// outcome is what an attempt found.
type outcome struct {
	record
	resumed bool // an earlier attempt was given up
}

// enter makes this attempt the one that carries r out, with a lease of the given
// length, or returns the recorded answer, or says why neither. A record that another
// transaction is just writing is waited for.
func (s store) enter(ctx context.Context, t tx.Tx, r Request, lease time.Duration) (outcome, error) {
	if err := checkKey(r.Key); err != nil {
		return outcome{}, err
	}
	for insert := !s.looks; ; insert = true {
		if insert {
			rec := record{id: rand.Text(), fence: 1}
			n, err := affected(t.ExecContext(ctx, s.sql(enterOne),
				r.Scope, r.Key, rec.id, r.Fingerprint[:], lease.Milliseconds()))
			if err != nil || n == 1 {
				return outcome{record: rec}, err
			}
		}
		rec, err := s.find(ctx, t, r)
		switch {
		case errors.Is(err, sql.ErrNoRows): // there is none yet, or it was swept away since the insert
			continue
		case err != nil:
			_, err = affected(nil, err) // it says what to do
			return outcome{}, err
		case string(rec.fingerprint) != string(r.Fingerprint[:]):
			return outcome{}, ErrMismatch
		case rec.answer != nil:
			return outcome{record: rec}, nil
		case rec.live:
			return outcome{}, ErrInFlight
		}
		n, err := affected(t.ExecContext(ctx, s.sql(`UPDATE muster_idempotency SET fence = fence + 1, locked_until = NOW + $1
			WHERE scope = $2 AND "key" = $3 AND fence = $4 AND answer IS NULL`), lease.Milliseconds(), r.Scope, r.Key, rec.fence))
		if err != nil || n == 1 {
			rec.fence++
			return outcome{record: rec, resumed: true}, err
		} // else another attempt was faster
	}
}

func (s store) find(ctx context.Context, t tx.Tx, r Request) (rec record, err error) {
	err = t.QueryRowContext(ctx, s.sql(`SELECT id, fingerprint, fence, locked_until > NOW, answer FROM muster_idempotency WHERE scope = $1 AND "key" = $2`),
		r.Scope, r.Key).Scan(&rec.id, &rec.fingerprint, &rec.fence, &rec.live, &rec.answer)
	return rec, err
}

// finish puts the answer on record, unless another attempt has taken over.
func (s store) finish(ctx context.Context, t tx.Tx, r Request, fence int64, answer []byte) error {
	n, err := affected(t.ExecContext(ctx, finishOne, answer, r.Scope, r.Key, fence))
	if err == nil && n == 0 {
		return ErrFenced
	}
	return err
}

// lock sets the lease to end so much from now.
func (s store) lock(ctx context.Context, db *sql.DB, r Request, fence int64, lease time.Duration) error {
	n, err := affected(db.ExecContext(ctx, s.sql(lockOne), lease.Milliseconds(), r.Scope, r.Key, fence))
	if err == nil && n == 0 {
		return ErrFenced
	}
	return err
}

func affected(res sql.Result, err error) (int64, error) {
	switch {
	case noTable(err):
		return 0, fmt.Errorf("idempotency: the table muster_idempotency is missing: call idempotency.Migrate before serving: %w", err)
	case err != nil:
		return 0, fmt.Errorf("idempotency: %w", err)
	}
	return res.RowsAffected()
}

// noTable reports whether a statement failed because its table is not there. SQLite
// has no code of its own for that, only these words.
func noTable(err error) bool {
	return err != nil && (tx.SQLState(err) == "42P01" || strings.Contains(err.Error(), "no such table: muster_idempotency"))
}

// Sweep deletes the records of requests that came longer ago than olderThan; 0 means
// 24 hours. A client that repeats one after that has its request carried out again.
// It returns how many it deleted. Call it every few minutes from any replica.
func Sweep(ctx context.Context, db *sql.DB, olderThan time.Duration) (int64, error) {
	const batch = 500 // so that no lock is held for long
	if olderThan <= 0 {
		olderThan = 24 * time.Hour
	}
	s, err := storeOf(db)
	if err != nil {
		return 0, err
	}
	for total := int64(0); ; {
		n, err := affected(db.ExecContext(ctx, s.sql(`DELETE FROM muster_idempotency WHERE (scope, "key") IN
			(SELECT scope, "key" FROM (SELECT scope, "key" FROM muster_idempotency WHERE created < NOW - $1 AND locked_until < NOW LIMIT $2) AS old)`),
			olderThan.Milliseconds(), batch))
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}
