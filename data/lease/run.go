package lease

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// How leases go. A crashed holder is followed within Length and a few milliseconds.
const (
	Length = 4 * time.Second // how long a lease lasts after it was taken or last extended
	Beat   = time.Second     // how often a holder extends it
)

const (
	soonest = 20 * time.Millisecond // the least pause between two tries to take a lease
	parting = 2 * time.Second       // how long releasing a lease may take
)

// Run does work while this process holds the lease name, one process at a time among
// all that share db. owner tells people who holds it; it has no other meaning.
//
// While another holds the lease Run waits. Work gets a context that ends with the
// cause ErrLost as soon as the lease was lost or could not be extended in time; then
// work must return, and Run waits for the lease again. When work returns for any other
// reason the lease is released and Run returns its error. When ctx ends Run waits for
// work to return, keeping the lease meanwhile, and releases it; then, and when it
// waited in vain, it returns nil, unless work fails with another error than that of
// its context.
//
// The database's errors while Run waits end it: whoever calls it tries again after a
// pause. While work is being done they are borne until the lease runs out.
func Run(ctx context.Context, db *sql.DB, name, owner string, work func(ctx context.Context, h Held) error) error {
	switch {
	case db == nil:
		return errors.New("lease: the database is nil: open it before")
	case name == "":
		return errors.New("lease: the lease has no name")
	case work == nil:
		return errors.New("lease: there is no work")
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		began := time.Now()
		h, wait, err := take(ctx, db, Held{Name: name, Owner: owner, now: dialect.Now()})
		switch {
		case ctx.Err() != nil: // whatever it made of the statement
			if err == nil && wait == 0 {
				release(ctx, db, h)
			}
		case err != nil:
			return err
		case wait > 0:
			pause(ctx, wait)
		default:
			lost, err := hold(ctx, db, h, began, work)
			if lost || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
				continue
			}
			return err
		}
	}
	return nil
}

// take tries once, and returns how long to wait before the next try when another
// holds the lease.
func take(ctx context.Context, db *sql.DB, h Held) (Held, time.Duration, error) {
	var left int64
	err := db.QueryRowContext(ctx, `SELECT held_until - `+h.now+` FROM muster_lease WHERE name = $1`, h.Name).Scan(&left)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = db.ExecContext(ctx, `INSERT INTO muster_lease (name, owner, fence, held_until) VALUES ($1, $2, 0, 0) ON CONFLICT (name) DO NOTHING`, h.Name, h.Owner)
		if err != nil {
			return h, 0, explain(err)
		}
	case err != nil:
		return h, 0, explain(err)
	case left > 0: // only read, for waiting is what most do all the time
		return h, min(max(time.Duration(left)*time.Millisecond, soonest), Beat), nil
	}
	err = tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		err := owned(t.ExecContext(ctx, `UPDATE muster_lease SET owner = $1, fence = fence + 1, held_until = `+h.now+` + $2
			WHERE name = $3 AND held_until <= `+h.now, h.Owner, Length.Milliseconds(), h.Name))
		if err != nil {
			return err
		}
		return t.QueryRowContext(ctx, `SELECT fence FROM muster_lease WHERE name = $1`, h.Name).Scan(&h.Fence) // not all engines return what they have changed
	})
	switch {
	case errors.Is(err, ErrLost): // another was faster
		return h, soonest, nil
	case err != nil:
		return h, 0, explain(err)
	}
	return h, 0, nil
}

// hold does the work and extends the lease, which was taken after began, until the
// work returns.
func hold(ctx context.Context, db *sql.DB, h Held, began time.Time, work func(context.Context, Held) error) (lost bool, err error) {
	held, lose := context.WithCancelCause(ctx)
	beating, stop := context.WithCancel(context.WithoutCancel(ctx)) // what work finishes when ctx ends needs the lease too
	beaten := make(chan struct{})
	go func() {
		defer close(beaten)
		beat(beating, db, h, began, lose)
	}()
	defer func() { // also when work panics
		stop()
		<-beaten
		lost = errors.Is(context.Cause(held), ErrLost) || errors.Is(err, ErrLost)
		lose(nil)
		release(ctx, db, h)
	}()
	return false, work(held, h)
}

// beat extends the lease until ctx ends or the lease is lost.
func beat(ctx context.Context, db *sql.DB, h Held, began time.Time, lose context.CancelCauseFunc) {
	late := fmt.Errorf("%w: the database did not answer", ErrLost)
	end := time.AfterFunc(time.Until(began.Add(Length)), func() { lose(late) })
	defer end.Stop()
	tick := time.NewTicker(Beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		began := time.Now() // the database's clock has passed this when it writes
		trying, done := context.WithTimeout(ctx, Length)
		err := h.extend(trying, db)
		done()
		switch {
		case errors.Is(err, ErrLost):
			lose(err)
			return
		case err == nil:
			end.Reset(time.Until(began.Add(Length)))
		} // else another try may come in time
	}
}

func release(ctx context.Context, db *sql.DB, h Held) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	_ = h.release(ctx, db) // else it runs out
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
