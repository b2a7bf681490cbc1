// Package dbtest is what the suites of package datatest have in common: databases that
// are made fresh for each test, and the few words they say what they expect in.
package dbtest

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

// Patience bounds what a test waits for.
const Patience = 20 * time.Second

// Each runs the tests of a group, each on a database of its own.
func Each(t *testing.T, fresh Fresh, tests map[string]func(t *testing.T, open func() *sql.DB)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// Executor is a *sql.DB, *sql.Conn or *sql.Tx.
type Executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Execute runs a statement that must succeed.
func Execute(t testing.TB, db Executor, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Value returns the one value of a query that must succeed.
func Value[T any](t testing.TB, db Executor, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// Want reports what is not as it should be, and goes on.
func Want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Succeed ends the test at an error.
func Succeed(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Together calls fn n times at the same moment and waits for all.
func Together(n int, fn func(i int)) {
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

// Eventually waits until something becomes true that others bring about.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	EventuallyWithin(t, Patience, what, done)
}

// EventuallyWithin is Eventually for what takes long where the race detector slows it.
func EventuallyWithin(t testing.TB, patience time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
	}
}
