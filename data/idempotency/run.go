package idempotency

import (
	"context"
	"database/sql"
	"errors"

	"github.com/musterdev/muster/data/tx"
)

// Run carries out an operation of one transaction once for its request. What fn
// writes through tx and the answer it returns are committed together; when fn fails
// neither is, and the request may be repeated. A request whose answer is on record
// gets that answer without running fn, and [Replayed] tells; one that comes while
// the first is running waits for it.
//
// The answer is recorded as JSON, or as protobuf where T is a message, and the first
// caller too gets what can be read back from the record, so that all get the same.
// One request is served by one Run; use [Part] for more.
//
// fn must not call Run or Begin on the same db with its context: that would wait for
// the transaction it is in, and is refused at once.
//
// Errors are fn's, the database's, ErrMismatch, ErrInFlight, and invalid_argument
// for a bad key. It is safe for concurrent use, by any number of processes.
func Run[T any](ctx context.Context, db *sql.DB, fn func(ctx context.Context, tx tx.Tx) (T, error)) (T, error) {
	var answer T
	if fn == nil {
		return answer, errors.New("idempotency: Run is given no function")
	}
	if err := ready(ctx, db); err != nil {
		return answer, err
	}
	c := callOf(ctx)
	if c == nil {
		err := do(ctx, db, func(ctx context.Context, t *sql.Tx) (err error) {
			answer, err = fn(ctx, t)
			return err
		})
		return answer, err
	}
	if c.answered.Load() {
		return answer, errTwice
	}
	s, err := storeOf(db)
	if err != nil {
		return answer, err
	}
	var found outcome
	err = do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		if found, err = s.enter(ctx, t, c.Request, 0); err != nil || found.answer != nil {
			return err
		}
		if answer, err = fn(ctx, t); err != nil {
			return err
		}
		recorded, err := encode(answer)
		if err != nil {
			return err
		}
		var same T // read back before the commit, for what cannot be read must not be recorded
		if err := decode(recorded, &same); err != nil {
			return err
		}
		answer = same
		return s.finish(ctx, t, c.Request, found.fence, recorded)
	})
	if err != nil {
		return answer, err
	}
	c.answered.Store(true)
	if found.answer == nil {
		return answer, nil
	}
	c.replayed.Store(true)
	return answer, decode(found.answer, &answer)
}

var errTwice = errors.New("idempotency: the request has been answered, and a second operation under its key would get the first one's answer: give it a context made by Part")
