package idempotency

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// Claim is the right to carry out a request of several transactions, held by one
// attempt at a time. It is the holder's alone for [Lease]; [Claim.Keep] extends it as
// long as the work takes. When the holder crashes the next attempt with the same key
// takes over, and whatever the old one still tries to finish is refused.
//
// A Claim is safe for concurrent use.
type Claim struct {
	db      *sql.DB
	lanes   *lanes // nil: what is done to the record is committed by itself
	store   store
	call    *call // nil without a key
	outcome outcome
}

// Begin claims the request of ctx. In the transaction that records the claim it runs
// fn, which may be nil: there belongs what must exist before anything is asked of
// others, such as a pending row that has [Claim.ID] as its key. When an earlier
// attempt was given up fn runs again, and [Claim.Resumed] tells: it finds that row.
//
// When the request's answer is on record, fn is not run and [Claim.Answer] has it.
// fn must not call Run or Begin on the same db with its context; that is refused, as
// [Run] says.
//
// Errors are fn's, the database's, ErrInFlight, ErrMismatch, and invalid_argument for
// a bad key. Without a key the claim is nobody else's and records nothing.
func Begin(ctx context.Context, db *sql.DB, fn func(ctx context.Context, tx tx.Tx, c *Claim) error) (*Claim, error) {
	if err := ready(ctx, db); err != nil {
		return nil, err
	}
	c := &Claim{db: db, call: callOf(ctx)}
	if c.call == nil {
		c.outcome.id = rand.Text()
		if fn == nil {
			return c, nil
		}
	} else {
		if c.call.answered.Load() {
			return nil, errTwice
		}
		var err error
		if c.store, err = storeOf(db); err != nil {
			return nil, err
		}
	}
	err := do(ctx, db, func(ctx context.Context, t *sql.Tx) (err error) {
		if c.call != nil {
			c.outcome, err = c.store.enter(ctx, t, c.call.Request, Lease)
		}
		if err != nil || fn == nil || c.outcome.answer != nil {
			return err
		}
		return fn(ctx, t, c)
	})
	if err != nil {
		return nil, err
	}
	if c.outcome.answer != nil {
		c.call.answered.Store(true)
		c.call.replayed.Store(true)
	}
	return c, nil
}

// ID names the operation: random, and the same for all attempts of one request. Use
// it as the key of what the operation creates here and asks for elsewhere.
func (c *Claim) ID() string { return c.outcome.id }

// Fence counts the attempts from 1. Of two attempts the later has the larger.
func (c *Claim) Fence() int64 { return max(1, c.outcome.fence) }

// Resumed reports whether an earlier attempt was given up: what it did may be there.
func (c *Claim) Resumed() bool { return c.outcome.resumed }

// Answer reads the recorded answer into what dst points to; replayed is false when
// there is none, and the request is to be carried out.
func (c *Claim) Answer(dst any) (replayed bool, err error) {
	if c.outcome.answer == nil {
		return false, nil
	}
	return true, decode(c.outcome.answer, dst)
}

// Finish puts the answer on record in the caller's transaction, so that it is
// committed with the operation's last effect. ErrFenced says that the claim was lost:
// then the transaction must be rolled back, which returning the error from tx.Do's
// function does. The answer is written as [Run] writes it.
func (c *Claim) Finish(ctx context.Context, tx tx.Tx, answer any) error {
	if c.call == nil {
		return nil
	}
	recorded, err := encode(answer)
	if err != nil {
		return err
	}
	return c.store.finish(ctx, tx, c.call.Request, c.outcome.fence, recorded)
}

// Extend makes the claim last for Lease from now. It succeeds, after the lease has
// ended too, unless another attempt has taken over: ErrFenced.
func (c *Claim) Extend(ctx context.Context) error {
	if c.call == nil {
		return nil
	}
	return c.lock(ctx, Lease)
}

// Release gives the claim up without an answer, so that the next attempt need not
// wait for the lease to end.
func (c *Claim) Release(ctx context.Context) error {
	if c.call == nil {
		return nil
	}
	return c.lock(ctx, 0)
}

// lock sets the lease to end so much from now.
func (c *Claim) lock(ctx context.Context, lease time.Duration) error {
	if c.lanes != nil {
		return c.lanes.changes.Do(ctx, change{Request: c.call.Request, fence: c.outcome.fence, lease: lease})
	}
	return c.store.lock(ctx, c.db, c.call.Request, c.outcome.fence, lease)
}

// finish is Finish where the answer is committed with nothing else.
func (c *Claim) finish(ctx context.Context, answer any) error {
	recorded, err := encode(answer)
	if err != nil {
		return err
	}
	return c.lanes.changes.Do(ctx, change{Request: c.call.Request, fence: c.outcome.fence, answer: recorded})
}

// Keep extends the claim in the background until stop is called. The context it
// returns ends when the claim is lost, with ErrFenced as its cause.
func (c *Claim) Keep(ctx context.Context) (kept context.Context, stop func()) {
	kept, cancel := context.WithCancelCause(ctx)
	if c.call == nil {
		return kept, func() { cancel(nil) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-kept.Done():
				return
			}
			if err := c.Extend(kept); errors.Is(err, ErrFenced) { // another error may pass before the lease does
				cancel(err)
				return
			}
		}
	}()
	return kept, func() {
		cancel(nil)
		<-done
	}
}
