package idempotency

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/musterdev/muster/data/group"
	"github.com/musterdev/muster/data/tx"
)

// lanes write records that nothing else is committed with: what comes at the same time
// shares a transaction.
type lanes struct {
	db      *sql.DB
	dialect tx.Dialect
	store   store
	entries group.Lane[*entry]
	changes group.Lane[change]
}

// entry is a request that may be the first of its key.
type entry struct {
	Request

	id    string
	lease time.Duration
}

// change is what becomes of a record whose holder has this fence: an answer, or another lease.
type change struct {
	Request

	fence  int64
	answer []byte // nil: the lease
	lease  time.Duration
}

const (
	enterOne = `INSERT INTO muster_idempotency (scope, "key", id, fingerprint, fence, locked_until, created)
		VALUES ($1, $2, $3, $4, 1, NOW + $5, NOW) ON CONFLICT (scope, "key") DO NOTHING`
	enterMany = `INSERT INTO muster_idempotency (scope, "key", id, fingerprint, fence, locked_until, created)
		SELECT scope, "key", id, fingerprint, 1, NOW + lease, NOW FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bigint[])
		AS i(scope, "key", id, fingerprint, lease) ON CONFLICT (scope, "key") DO NOTHING RETURNING id`

	finishOne = `UPDATE muster_idempotency SET answer = $1, locked_until = 0
		WHERE scope = $2 AND "key" = $3 AND fence = $4 AND answer IS NULL`
	lockOne = `UPDATE muster_idempotency SET locked_until = NOW + $1
		WHERE scope = $2 AND "key" = $3 AND fence = $4 AND answer IS NULL`
	changeMany = `UPDATE muster_idempotency m SET answer = CASE WHEN i.answered = 1 THEN i.answer END,
			locked_until = CASE WHEN i.answered = 1 THEN 0 ELSE NOW + i.lease END
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
		WITH ORDINALITY AS i(scope, "key", fence, answered, answer, lease, n)
		WHERE i.n % 1 = 0 AND m.scope = i.scope AND m."key" = i."key" AND m.fence = i.fence AND m.answer IS NULL RETURNING i.n`
)

var errTaken = errors.New("idempotency: there is a record of this key") // what it says is to be looked up

func lanesOf(db *sql.DB) (*lanes, error) {
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return nil, err
	}
	l := &lanes{db: db, dialect: dialect, store: newStore(dialect)}
	l.entries.Flush, l.changes.Flush = l.enter, l.change
	return l, nil
}

// begin is Begin without a function.
func (l *lanes) begin(ctx context.Context) (*Claim, error) {
	c := callOf(ctx)
	if c == nil || c.answered.Load() {
		return Begin(ctx, l.db, nil) // it says what is to be said
	}
	if err := errors.Join(ready(ctx, l.db), checkKey(c.Key)); err != nil {
		return nil, err
	}
	e := &entry{c.Request, rand.Text(), Lease}
	claim := &Claim{db: l.db, lanes: l, store: l.store, call: c, outcome: outcome{record: record{id: e.id, fence: 1}}}
	err := l.entries.Do(ctx, e)
	if !errors.Is(err, errTaken) {
		return claim, err
	}
	if claim, err = Begin(ctx, l.db, nil); err == nil {
		claim.lanes = l
	}
	return claim, err
}

func (l *lanes) enter(ctx context.Context, entries []*entry) (errs []error, err error) {
	errs = make([]error, len(entries))
	err = group.Commit(ctx, l.db, l.dialect, func(ctx context.Context, c group.Conn) error {
		if l.dialect == tx.Postgres {
			const columns = 5
			rows, index := group.NewColumns(columns, len(entries)), make(map[string]int, len(entries))
			for i, e := range entries {
				errs[i], index[e.id] = errTaken, i
				rows.Row().Text(e.Scope).Text(e.Key).Text(e.id).Bytes(e.Fingerprint[:]).Number(e.lease.Milliseconds())
			}
			return returned(ctx, c, l.store.sql(enterMany), rows, func(id string) { errs[index[id]] = nil })
		}
		for i, e := range entries {
			n, err := affected(c.ExecContext(ctx, l.store.sql(enterOne), e.Scope, e.Key, e.id, e.Fingerprint[:], e.lease.Milliseconds()))
			if err != nil {
				return err
			}
			errs[i] = map[bool]error{true: errTaken}[n == 0]
		}
		return nil
	})
	return errs, err
}

func (l *lanes) change(ctx context.Context, changes []change) (errs []error, err error) {
	errs = make([]error, len(changes))
	err = group.Commit(ctx, l.db, l.dialect, func(ctx context.Context, c group.Conn) error {
		if l.dialect == tx.Postgres {
			const columns = 6
			rows := group.NewColumns(columns, len(changes))
			for i, w := range changes {
				errs[i] = ErrFenced
				answered := int64(0)
				if w.answer != nil {
					answered = 1
				}
				rows.Row().Text(w.Scope).Text(w.Key).Number(w.fence).Number(answered).Bytes(w.answer).Number(w.lease.Milliseconds())
			}
			return returned(ctx, c, l.store.sql(changeMany), rows, func(n int) { errs[n-1] = nil })
		}
		for i, w := range changes {
			statement, first := l.store.sql(lockOne), any(w.lease.Milliseconds())
			if w.answer != nil {
				statement, first = finishOne, w.answer
			}
			n, err := affected(c.ExecContext(ctx, statement, first, w.Scope, w.Key, w.fence))
			if err != nil {
				return err
			}
			errs[i] = map[bool]error{true: ErrFenced}[n == 0]
		}
		return nil
	})
	return errs, err
}

// returned runs a statement that returns one value for each row that it wrote.
func returned[T any](ctx context.Context, c group.Conn, statement string, rows group.Columns, written func(T)) (err error) {
	found, err := c.QueryContext(ctx, statement, rows.Args()...)
	if err != nil {
		_, err = affected(nil, err)
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var v T
		if err := found.Scan(&v); err != nil {
			return err
		}
		written(v)
	}
	return found.Err()
}
