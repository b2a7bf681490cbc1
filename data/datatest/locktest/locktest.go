// Package locktest is the part of the suite that package lock must pass.
package locktest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/lock"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"taken, kept and given back": taken,
		"all or none":                allOrNone,
		"it ends":                    ends,
		"one at a time":              oneAtATime,
		"in whatever order":          anyOrder,
		"what cannot be":             wrong,
	})
}

// with runs one call in a transaction.
func with(l *lock.Locks, fn func(ctx context.Context, t tx.Tx) error) error {
	return tx.Do(context.Background(), l.DB, func(ctx context.Context, t *sql.Tx) error { return fn(ctx, t) })
}

func take(l *lock.Locks, owner string, entities ...string) error {
	return with(l, func(ctx context.Context, t tx.Tx) error { return l.Take(ctx, t, owner, entities...) })
}

func migrated(t *testing.T, open func() *sql.DB) *lock.Locks {
	t.Helper()
	db := open()
	dbtest.Succeed(t, lock.Migrate(t.Context(), db))
	return &lock.Locks{DB: db}
}

// held reports whether an error says that a lock was met.
func held(err error) bool { return problem.CodeOf(err) == problem.Conflict }

func taken(t *testing.T, open func() *sql.DB) {
	l := migrated(t, open)
	free := func(owner string) error {
		return with(l, func(ctx context.Context, t tx.Tx) error { return l.Free(ctx, t, owner, "seat 1") })
	}
	dbtest.Succeed(t, free(""))
	dbtest.Succeed(t, take(l, "a", "seat 1"))
	dbtest.Succeed(t, take(l, "a", "seat 1", "seat 2"))
	err := take(l, "b", "seat 1")
	if !held(err) || !strings.Contains(err.Error(), "seat 1 is being changed by a") || problem.From(err).RetryAfter != 0 {
		t.Error("another took it:", err)
	}
	waiting := &lock.Locks{DB: l.DB, Wait: true}
	if err := take(waiting, "b", "seat 1"); !held(err) || problem.From(err).RetryAfter != lock.Again {
		t.Error("not told to come again:", err)
	}
	if err := errors.Join(free("a")); err != nil || !held(free("")) || !held(free("b")) {
		t.Error("free for whom:", err, free(""), free("b"))
	}
	dbtest.Succeed(t, with(l, func(ctx context.Context, t tx.Tx) error { return l.Release(ctx, t, "b", "seat 1") })) // not his
	dbtest.Want(t, "held", held(take(l, "b", "seat 1")), true)
	dbtest.Succeed(t, with(l, func(ctx context.Context, t tx.Tx) error { return l.Release(ctx, t, "a", "seat 1") }))
	dbtest.Succeed(t, take(l, "b", "seat 1"))
	dbtest.Want(t, "held", held(take(l, "b", "seat 2")), true)
	dbtest.Succeed(t, with(l, func(ctx context.Context, t tx.Tx) error { return l.Release(ctx, t, "a") }))
	dbtest.Succeed(t, take(l, "b", "seat 2"))
}

func allOrNone(t *testing.T, open func() *sql.DB) {
	l := migrated(t, open)
	dbtest.Succeed(t, take(l, "a", "m"))
	dbtest.Want(t, "held", held(take(l, "b", "z", "m", "a")), true)
	dbtest.Want(t, "locks", dbtest.Value[int](t, l.DB, `SELECT count(*) FROM muster_lock`), 1)
}

func ends(t *testing.T, open func() *sql.DB) {
	l := migrated(t, open)
	short := &lock.Locks{DB: l.DB, Keep: time.Millisecond}
	dbtest.Succeed(t, take(short, "a", "x", "y"))
	dbtest.Succeed(t, take(l, "a", "z"))
	dbtest.Eventually(t, "it to end", func() bool { return take(l, "b", "x") == nil })
	swept := int64(0)
	dbtest.Eventually(t, "the other to be swept", func() bool {
		n, err := l.Sweep(t.Context())
		dbtest.Succeed(t, err)
		swept += n
		return swept > 0
	})
	dbtest.Want(t, "swept", swept, 1)
	dbtest.Want(t, "held", held(take(l, "c", "x")), true)
	dbtest.Want(t, "held", held(take(l, "c", "z")), true)
}

// oneAtATime: of many who take it at once one has it; and each in his turn.
func oneAtATime(t *testing.T, open func() *sql.DB) {
	l := migrated(t, open)
	pools := []*lock.Locks{l, {DB: open()}}
	var have atomic.Int64
	dbtest.Together(16, func(i int) {
		switch err := take(pools[i%2], fmt.Sprint("o", i), "seat"); {
		case err == nil:
			have.Add(1)
		case !held(err):
			t.Error(err)
		}
	})
	dbtest.Want(t, "who have it", have.Load(), 1)
}

// anyOrder: who names the same entities in another order does not wait for ever.
func anyOrder(t *testing.T, open func() *sql.DB) {
	l := migrated(t, open)
	pools := []*lock.Locks{l, {DB: open()}}
	dbtest.Together(16, func(i int) {
		entities := []string{"a", "b", "c"}
		if i%2 == 1 {
			entities = []string{"c", "b", "a", "a"}
		}
		p, owner := pools[i%2], fmt.Sprint("o", i)
		err := with(p, func(ctx context.Context, t tx.Tx) error {
			if err := p.Take(ctx, t, owner, entities...); err != nil {
				return err
			}
			return p.Release(ctx, t, owner)
		})
		if err != nil && !held(err) {
			t.Error(err)
		}
	})
}

func wrong(t *testing.T, open func() *sql.DB) {
	l := &lock.Locks{DB: open()}
	for want, try := range map[string]func() error{
		"the database is nil":      func() error { _, err := new(lock.Locks).Sweep(t.Context()); return err },
		`for owner "": neither`:    func() error { return take(l, "", "x") },
		`entities ["x" ""] for`:    func() error { return take(l, "a", "x", "") },
		"call lock.Migrate before": func() error { return take(l, "a", "x") },
		"lock: the database is":    func() error { return lock.Migrate(t.Context(), nil) },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
