// Package datatest is the suite every database driver passes: what packages tx,
// migrate and idempotency promise, on a real engine. A driver's tests call [Run], and
// [KillMinusNine] with processes of their own.
package datatest

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"
)

// Fresh makes a new, empty database for one test and returns how to open it: each
// call of open is one more pool, as another process would have. Pools are closed and
// the database is removed when t ends.
type Fresh func(t *testing.T) (open func() *sql.DB)

// Run runs the whole suite.
func Run(t *testing.T, fresh Fresh) {
	for name, test := range map[string]func(*testing.T, Fresh){
		"tx":          runTx,
		"migrate":     runMigrate,
		"idempotency": runIdempotency,
		"claim":       runClaim,
		"http":        runHTTP,
		"grpc":        runGRPC,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh) })
	}
}

// patience bounds what a test waits for.
const patience = 20 * time.Second

// each runs the tests of a group, each on a database of its own.
func each(t *testing.T, fresh Fresh, tests map[string]func(t *testing.T, open func() *sql.DB)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// executor is a *sql.DB, *sql.Conn or *sql.Tx.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func execute(t testing.TB, db executor, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func value[T any](t testing.TB, db executor, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func succeed(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// together calls fn n times at the same moment and waits for all.
func together(n int, fn func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	all.Wait()
}

// eventually waits until something becomes true that others bring about.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
	}
}
