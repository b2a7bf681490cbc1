package tx_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/tx"
)

// journal is a driver that writes down what is asked of it.
type journal struct {
	events    []string
	dialect   string
	rollback  error
	commitErr error
}

func (j *journal) Open(string) (driver.Conn, error)             { return j, nil }
func (j *journal) Connect(context.Context) (driver.Conn, error) { return j, nil }
func (j *journal) Driver() driver.Driver                        { return j }
func (j *journal) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not prepared") }
func (j *journal) Close() error                                 { return nil }
func (j *journal) Begin() (driver.Tx, error)                    { return nil, errors.New("begin without options") }
func (j *journal) Dialect() string                              { return j.dialect }

func (j *journal) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	j.events = append(j.events, fmt.Sprintf("begin readonly=%t %s", o.ReadOnly, sql.IsolationLevel(o.Isolation)))
	return j, nil
}

func (j *journal) Commit() error {
	j.events = append(j.events, "commit")
	return j.commitErr
}

func (j *journal) Rollback() error {
	j.events = append(j.events, "rollback")
	return j.rollback
}

func TestDoEndsEveryTransaction(t *testing.T) {
	boom, lost := errors.New("boom"), errors.New("connection lost")
	tests := []struct {
		name string
		run  func(context.Context, *sql.DB, func(context.Context, *sql.Tx) error) error
		fn   func(*sql.Tx) error
		have journal
		want string
		errs []error
	}{
		{"commit", tx.Do, func(*sql.Tx) error { return nil }, journal{}, "begin readonly=false Default,commit", nil},
		{"read", tx.Read, func(*sql.Tx) error { return nil }, journal{}, "begin readonly=true Repeatable Read,commit", nil},
		{"error", tx.Do, func(*sql.Tx) error { return boom }, journal{}, "begin readonly=false Default,rollback", []error{boom}},
		{"rollback fails too", tx.Do, func(*sql.Tx) error { return boom }, journal{rollback: lost}, "begin readonly=false Default,rollback", []error{boom, lost}},
		{"commit fails", tx.Do, func(*sql.Tx) error { return nil }, journal{commitErr: lost}, "begin readonly=false Default,commit", []error{lost}},
		{"ended by fn", tx.Do, func(t *sql.Tx) error { _ = t.Rollback(); return boom }, journal{}, "begin readonly=false Default,rollback", []error{boom}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			db := sql.OpenDB(&tc.have)
			defer db.Close()
			err := tc.run(t.Context(), db, func(_ context.Context, tx *sql.Tx) error { return tc.fn(tx) })
			if got := strings.Join(tc.have.events, ","); got != tc.want {
				t.Errorf("events %s, want %s", got, tc.want)
			}
			if (err == nil) != (tc.errs == nil) {
				t.Errorf("error %v, want %v", err, tc.errs)
			}
			for _, want := range tc.errs {
				if !errors.Is(err, want) {
					t.Errorf("error %v does not hold %v", err, want)
				}
			}
		})
	}
}

func TestDoRollsBackAPanicAndLetsItPass(t *testing.T) {
	var j journal
	db := sql.OpenDB(&j)
	defer db.Close()
	defer func() {
		if p := recover(); p != "ouch" {
			t.Errorf("recovered %v, want the panic of fn", p)
		}
		if got := strings.Join(j.events, ","); got != "begin readonly=false Default,rollback" {
			t.Errorf("events %s", got)
		}
	}()
	_ = tx.Do(t.Context(), db, func(context.Context, *sql.Tx) error { panic("ouch") })
}

func TestDialectOf(t *testing.T) {
	for _, d := range []tx.Dialect{tx.SQLite, tx.Postgres} {
		if got, err := tx.DialectOf(sql.OpenDB(&journal{dialect: string(d)})); got != d || err != nil {
			t.Errorf("DialectOf = %q, %v, want %q", got, err, d)
		}
	}
	if _, err := tx.DialectOf(sql.OpenDB(&journal{dialect: "oracle"})); err == nil || !strings.Contains(err.Error(), `"oracle"`) {
		t.Errorf("an unknown dialect gave %v", err)
	}
	if _, err := tx.DialectOf(sql.OpenDB(silent{})); err == nil || !strings.Contains(err.Error(), "Dialect() string") {
		t.Errorf("a driver without a dialect gave %v", err)
	}
}

// silent is a driver that does not say what it speaks.
type silent struct{}

func (silent) Open(string) (driver.Conn, error)             { return nil, driver.ErrBadConn }
func (silent) Connect(context.Context) (driver.Conn, error) { return nil, driver.ErrBadConn }
func (s silent) Driver() driver.Driver                      { return s }

type coded string

func (c coded) Error() string    { return "code " + string(c) }
func (c coded) SQLState() string { return string(c) }

func TestSQLState(t *testing.T) {
	tests := []struct {
		err                     error
		state                   string
		unique, foreign, repeat bool
	}{
		{nil, "", false, false, false},
		{errors.New("plain"), "", false, false, false},
		{fmt.Errorf("insert: %w", coded("23505")), "23505", true, false, false},
		{coded("23503"), "23503", false, true, false},
		{errors.Join(errors.New("x"), coded("40001")), "40001", false, false, true},
		{coded("40P01"), "40P01", false, false, true},
		{coded("55P03"), "55P03", false, false, true},
	}
	for _, tc := range tests {
		if got := tx.SQLState(tc.err); got != tc.state {
			t.Errorf("SQLState(%v) = %q, want %q", tc.err, got, tc.state)
		}
		if tx.IsUniqueViolation(tc.err) != tc.unique || tx.IsForeignKeyViolation(tc.err) != tc.foreign || tx.IsRetryable(tc.err) != tc.repeat {
			t.Errorf("%v: unique %t foreign %t retryable %t", tc.err,
				tx.IsUniqueViolation(tc.err), tx.IsForeignKeyViolation(tc.err), tx.IsRetryable(tc.err))
		}
	}
}

func TestAfterCommitComesAfterTheCommitOrNever(t *testing.T) {
	lost := errors.New("connection lost")
	tests := []struct {
		name string
		have journal
		fail error
		want string
	}{
		{"committed", journal{}, nil, "begin readonly=false Default,commit,woken,again"},
		{"rolled back", journal{}, lost, "begin readonly=false Default,rollback"},
		{"commit failed", journal{commitErr: lost}, nil, "begin readonly=false Default,commit"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			db := sql.OpenDB(&tc.have)
			defer db.Close()
			_ = tx.Do(t.Context(), db, func(ctx context.Context, _ *sql.Tx) error {
				for _, word := range []string{"woken", "again"} {
					if !tx.AfterCommit(ctx, func() { tc.have.events = append(tc.have.events, word) }) {
						t.Error("the context of a transaction takes no hook")
					}
				}
				return tc.fail
			})
			if got := strings.Join(tc.have.events, ","); got != tc.want {
				t.Errorf("events %s, want %s", got, tc.want)
			}
		})
	}
	if tx.AfterCommit(t.Context(), func() { t.Error("called") }) {
		t.Error("a context without a transaction takes a hook")
	}
}

// What others alone were in the way of is run three times at once, and everything else once.
func TestAgain(t *testing.T) {
	boom := errors.New("boom")
	for i, tc := range []struct {
		fails []error
		runs  int
		err   error
	}{
		{nil, 1, nil},
		{[]error{boom, nil}, 1, boom},
		{[]error{coded("40P01")}, 2, nil},
		{[]error{coded("40001"), fmt.Errorf("saga: %w", coded("55P03"))}, 3, nil},
		{[]error{coded("40001"), boom}, 2, boom},
		{[]error{coded("40001"), coded("40001"), coded("40P01")}, 3, coded("40P01")},
	} {
		run := func(runs *int) error {
			if *runs++; *runs > len(tc.fails) {
				return nil
			}
			return tc.fails[*runs-1]
		}
		alone, within, j := 0, 0, &journal{}
		if err := tx.Repeat(func() error { return run(&alone) }); !errors.Is(err, tc.err) || alone != tc.runs {
			t.Errorf("%d: %d times, %v", i, alone, err)
		}
		err := tx.Again(t.Context(), sql.OpenDB(j), func(context.Context, *sql.Tx) error { return run(&within) })
		if !errors.Is(err, tc.err) || within != tc.runs || strings.Count(strings.Join(j.events, ","), "begin") != tc.runs {
			t.Errorf("%d: in transactions %d times, %v: %v", i, within, err, j.events)
		}
	}
}
