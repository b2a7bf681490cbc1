// Package leasetest is the part of the suite that package lease must pass.
package leasetest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/tx"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"one at a time":              oneAtATime,
		"a crash is taken over":      takenOver,
		"a lost holder is stopped":   stopped,
		"the dead can be buried":     buried,
		"released at the end":        released,
		"the check locks":            checkLocks,
		"kept beyond its length":     kept,
		"kept until the work ends":   finishing,
		"the work's error":           workFails,
		"without its table":          unmigrated,
		"a database that is no more": closed,
	})
}

const name = "work"

func migrated(t *testing.T, db *sql.DB) *sql.DB {
	t.Helper()
	dbtest.Succeed(t, lease.Migrate(t.Context(), db))
	dbtest.Succeed(t, lease.Migrate(t.Context(), db))
	return db
}

// lapse ends the lease, as if its time had passed.
func lapse(t *testing.T, db *sql.DB) {
	t.Helper()
	dbtest.Execute(t, db, "UPDATE muster_lease SET held_until = 1 WHERE name = $1", name)
}

// holder is one call of lease.Run, at work until it is told to end.
type holder struct {
	began chan lease.Held
	end   context.CancelFunc
	cause atomic.Value // why its work's context ended
	done  chan error
}

func hold(t *testing.T, db *sql.DB, owner string) *holder {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	h := &holder{began: make(chan lease.Held, 10), end: cancel, done: make(chan error, 1)}
	go func() {
		h.done <- lease.Run(ctx, db, name, owner, func(ctx context.Context, held lease.Held) error {
			h.began <- held
			<-ctx.Done()
			h.cause.Store(context.Cause(ctx))
			return context.Cause(ctx)
		})
	}()
	t.Cleanup(func() { h.stop(t) })
	return h
}

// stop ends the holder, once or more often.
func (h *holder) stop(t *testing.T) {
	t.Helper()
	h.end()
	if err, ok := <-h.done; ok {
		close(h.done)
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func (h *holder) wait(t *testing.T) lease.Held {
	t.Helper()
	select {
	case held := <-h.began:
		return held
	case <-time.After(dbtest.Patience):
		t.Fatal("the lease was waited for in vain")
		return lease.Held{}
	}
}

func check(ctx context.Context, db *sql.DB, h lease.Held) error {
	return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error { return h.Check(ctx, t) })
}

func oneAtATime(t *testing.T, open func() *sql.DB) {
	pools := []*sql.DB{migrated(t, open()), open(), open()}
	ctx, cancel := context.WithCancel(t.Context())
	var inside, turns atomic.Int32
	dbtest.Together(6, func(i int) {
		for ctx.Err() == nil {
			err := lease.Run(ctx, pools[i%3], name, "owner", func(context.Context, lease.Held) error {
				dbtest.Want(t, "at work at a time", inside.Add(1), 1)
				if turns.Add(1) == 12 {
					cancel()
				}
				<-time.After(10 * time.Millisecond) // in which another may come in, were it let
				inside.Add(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	if n := turns.Load(); n < 12 {
		t.Errorf("%d turns", n)
	}
}

func takenOver(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db, other := migrated(t, open()), open()
	crashed := hold(t, db, "first")
	first := crashed.wait(t)
	dbtest.Want(t, "fence", first.Fence, 1)
	next := hold(t, other, "second")
	select {
	case <-next.began:
		t.Error("two hold the lease")
	default:
	}
	dbtest.Succeed(t, db.Close()) // as far as the database sees it, the process is gone
	begin := time.Now()
	second := next.wait(t)
	if took := time.Since(begin); took >= 2*lease.Length {
		t.Errorf("taken over after %s, as if more than one lease had been waited for", took)
	}
	dbtest.Want(t, "fence", second.Fence, 2)
	dbtest.Want(t, "owner", dbtest.Value[string](t, other, "SELECT owner FROM muster_lease"), "second")
	if err := check(t.Context(), other, first); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the first holder's check: %v", err)
	}
	dbtest.Succeed(t, check(t.Context(), other, second))
	crashed.end()
	<-crashed.done // with the error of the closed pool or none
	close(crashed.done)
}

// A holder that was paused finds its work ended, and begins again behind the other.
func stopped(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db := migrated(t, open())
	paused := hold(t, db, "paused")
	paused.wait(t)
	dbtest.Execute(t, db, "UPDATE muster_lease SET fence = fence + 1, held_until = 1") // another had it, and is gone
	again := paused.wait(t)
	if cause, _ := paused.cause.Load().(error); !errors.Is(cause, lease.ErrLost) {
		t.Errorf("the work was ended by %v", cause)
	}
	dbtest.Want(t, "fence", again.Fence, 3)
}

func released(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db := migrated(t, open())
	first := hold(t, db, "first")
	first.wait(t)
	next := hold(t, open(), "next")
	begin := time.Now()
	first.stop(t)
	next.wait(t)
	if took := time.Since(begin); took >= lease.Length-lease.Beat {
		t.Errorf("it took %s to follow a holder that ended, as if its lease had been waited for", took)
	}
}

// While a transaction has checked nobody can take over.
func checkLocks(t *testing.T, open func() *sql.DB) {
	db, other := migrated(t, open()), open()
	first := hold(t, db, "first")
	held := first.wait(t)
	next := hold(t, other, "next")
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		if err := held.Check(ctx, tx); err != nil {
			return err
		}
		dbtest.Execute(t, tx, "UPDATE muster_lease SET held_until = 1") // not seen by others before the commit
		if err := held.Check(ctx, tx); err != nil {
			return err
		}
		select {
		case <-next.began:
			t.Error("taken over within the transaction of the holder")
		default:
		}
		return nil
	}))
	lapse(t, db)
	dbtest.Succeed(t, check(t.Context(), db, held)) // lapsed, and taken by nobody
}

func kept(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db := migrated(t, open())
	h := hold(t, db, "long")
	held := h.wait(t)
	lapse(t, db)
	dbtest.Eventually(t, "a beat", func() bool { return dbtest.Value[int64](t, db, "SELECT held_until FROM muster_lease") > 1 })
	dbtest.Succeed(t, check(t.Context(), db, held))
	dbtest.Want(t, "fence", dbtest.Value[int64](t, db, "SELECT fence FROM muster_lease"), 1)
}

// What is finished when the context ends is finished under the lease.
func finishing(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db := migrated(t, open())
	ctx, cancel := context.WithCancel(t.Context())
	dbtest.Succeed(t, lease.Run(ctx, db, name, "last", func(work context.Context, h lease.Held) error {
		cancel()
		<-work.Done()
		lapse(t, db)
		dbtest.Eventually(t, "a beat after the end of the context", func() bool {
			return dbtest.Value[int64](t, db, "SELECT held_until FROM muster_lease") > 1
		})
		return check(context.WithoutCancel(work), db, h)
	}))
	dbtest.Want(t, "held until", dbtest.Value[int64](t, db, "SELECT held_until FROM muster_lease"), 0)
}

func workFails(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open())
	boom := errors.New("boom")
	err := lease.Run(t.Context(), db, name, "x", func(context.Context, lease.Held) error { return boom })
	if !errors.Is(err, boom) {
		t.Error(err)
	}
	func() {
		defer func() { dbtest.Want(t, "panic", recover(), any("ouch")) }()
		_ = lease.Run(t.Context(), db, name, "x", func(context.Context, lease.Held) error { panic("ouch") })
	}()
	dbtest.Want(t, "held until", dbtest.Value[int64](t, db, "SELECT held_until FROM muster_lease"), 0)
}

func unmigrated(t *testing.T, open func() *sql.DB) {
	err := lease.Run(t.Context(), open(), name, "x", func(context.Context, lease.Held) error { return nil })
	if err == nil || strings.Count(err.Error(), "call lease.Migrate") != 1 {
		t.Error(err)
	}
}

func closed(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open())
	dbtest.Succeed(t, db.Close())
	if err := lease.Run(t.Context(), db, name, "x", func(context.Context, lease.Held) error { return nil }); err == nil {
		t.Error("a closed database gives leases")
	}
}

// Who knows that the process before is dead need not wait for its lease; another's stays.
func buried(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open())
	dead := hold(t, db, "one")
	before := <-dead.began
	dbtest.Succeed(t, lease.Bury(t.Context(), db, name, "on"))
	dbtest.Succeed(t, lease.Bury(t.Context(), db, "other", "one"))
	left := dbtest.Value[int64](t, db, `SELECT held_until FROM muster_lease WHERE name = $1`, name)
	dbtest.Want(t, "the lease lasts", left > 0, true)
	dbtest.Succeed(t, lease.Bury(t.Context(), db, name, "one"))
	next := hold(t, db, "one")
	if after := <-next.began; after.Fence <= before.Fence {
		t.Errorf("fence %d after %d", after.Fence, before.Fence)
	}
	dbtest.Eventually(t, "the one before to lose it", func() bool { return dead.cause.Load() != nil })
}
