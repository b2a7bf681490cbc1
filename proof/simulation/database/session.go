package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// connector makes the connections of one process to a database; those of no process pass no gate.
type connector struct {
	store *Store
	from  Client
}

func (c connector) Connect(context.Context) (driver.Conn, error) {
	if c.from != nil && c.from.Dead() {
		return nil, ErrGone
	}
	return &session{store: c.store, from: c.from}, nil
}

func (c connector) Driver() driver.Driver { return engine{} }

// engine tells the dialect.
type engine struct{}

// Dialect names the engine to package tx.
func (engine) Dialect() string { return "sqlite" }

// Open is not how these databases are opened.
func (engine) Open(string) (driver.Conn, error) {
	return nil, errors.New("simulation: a database is opened by its process")
}

// session is a connection of a process to a database. Of all the database's one at a time writes.
type session struct {
	store  *Store
	from   Client // nil: nobody's
	open   bool   // a transaction is
	reads  bool   // it may only read
	broken bool
}

var (
	_ driver.ExecerContext     = (*session)(nil)
	_ driver.QueryerContext    = (*session)(nil)
	_ driver.ConnBeginTx       = (*session)(nil)
	_ driver.Validator         = (*session)(nil)
	_ driver.StmtExecContext   = (*compiled)(nil)
	_ driver.StmtQueryContext  = (*compiled)(nil)
	_ driver.NamedValueChecker = (*compiled)(nil)
)

func (s *session) pass(ctx context.Context, k Kind, what string, act func() error) error {
	locked := func() error {
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		return act()
	}
	if s.from == nil {
		return locked()
	}
	var free func() bool
	if k == Begin || k == Write || k == Read {
		free = s.store.idle
	}
	err := s.from.Pass(ctx, k, what, free, locked)
	if errors.Is(err, ErrLost) || errors.Is(err, ErrGone) {
		s.broken = true
		s.rollback() // the server sees the end of the connection
	}
	return err
}

func (s *Store) idle() bool { return !s.Busy() }

// kindOf tells what a statement is outside of a transaction.
func kindOf(query string) Kind {
	if q := strings.TrimSpace(query); strings.HasPrefix(q, "SELECT") ||
		strings.HasPrefix(q, "WITH") && !strings.Contains(q, "UPDATE ") && !strings.Contains(q, "INSERT ") && !strings.Contains(q, "DELETE ") {
		return Read
	}
	return Write
}

// sort tells how a statement is let through.
func (s *session) sort(query string) Kind {
	if s.open && !s.reads {
		return Inside
	}
	return kindOf(query)
}

// ExecContext runs a statement.
func (s *session) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	k := s.sort(query)
	err = s.pass(ctx, k, query, func() (err error) {
		res, err = s.store.one.exec(query, args)
		return err
	})
	if err == nil && s.from != nil {
		s.from.Did(s.store, query)
	}
	return res, err
}

// QueryContext runs a query and reads all its rows.
func (s *session) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (_ driver.Rows, err error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	k := s.sort(query)
	var rows *buffered
	err = s.pass(ctx, k, query, func() (err error) {
		rows, err = s.store.one.query(query, args)
		return err
	})
	return rows, err
}

func (s *session) usable() error {
	if s.broken && !s.open {
		return driver.ErrBadConn // nothing was sent
	}
	if s.broken {
		return ErrLost
	}
	return nil
}

// BeginTx begins a transaction: one that writes has the database for itself, as BEGIN IMMEDIATE does.
func (s *session) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	if s.reads = opts.ReadOnly; s.reads {
		s.open = true
		return s, nil
	}
	err := s.pass(ctx, Begin, "BEGIN", func() error {
		_, err := s.store.one.exec("BEGIN IMMEDIATE", nil)
		if err == nil {
			s.store.holder, s.open = s, true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Commit ends a transaction.
func (s *session) Commit() error {
	if s.reads {
		s.open, s.reads = false, false
		return nil
	}
	if err := s.usable(); err != nil {
		s.open = false
		return err
	}
	err := s.pass(context.Background(), Commit, "COMMIT", func() error {
		_, err := s.store.one.exec("COMMIT", nil)
		if err == nil {
			s.store.holder, s.open = nil, false
		}
		return err
	})
	s.rollback()
	return err
}

// Rollback passes no gate: the end of the process has the same effect, and nobody waits for it.
func (s *session) Rollback() error {
	s.reads = false
	s.rollback()
	return nil
}

func (s *session) rollback() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.open = false
	if s.store.holder == s {
		s.store.undo()
	}
}

// IsValid tells the pool whether it can be used again.
func (s *session) IsValid() bool { return !s.broken }

func (s *session) Begin() (driver.Tx, error) {
	return s.BeginTx(context.Background(), driver.TxOptions{})
}

func (s *session) Close() error { s.rollback(); return nil }

// Prepare returns a statement; the engine's are compiled once anyway.
func (s *session) Prepare(query string) (driver.Stmt, error) { return &compiled{s, query}, nil }

type compiled struct {
	session *session
	query   string
}

func (c *compiled) Close() error  { return nil }
func (c *compiled) NumInput() int { return -1 }

func (c *compiled) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (c *compiled) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (c *compiled) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return c.session.ExecContext(ctx, c.query, args)
}

func (c *compiled) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return c.session.QueryContext(ctx, c.query, args)
}

func (c *compiled) CheckNamedValue(v *driver.NamedValue) (err error) {
	v.Value, err = driver.DefaultParameterConverter.ConvertValue(v.Value)
	return err
}
