// Package database is SQLite in memory as the processes of a simulation use it: by database/sql, and
// each thing that they do with it, first their [Client] is asked.
package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// Store is a database that outlives the processes which use it: SQLite's, in memory, with one
// connection that all take turns on. While one of them is in a transaction that writes the others wait, as for the
// write lock; those who only read too, so that they see what is committed. Its clock is the history's, and can step.
type Store struct {
	Name string
	one  *physical

	// Freed is called when nobody is in a transaction any more. It is set before the store is used.
	Freed func()

	mu     sync.Mutex // around each use of the connection
	offset time.Duration
	holder *session // who writes
}

// Client is a process as its databases see it.
type Client interface {
	// Pass has act done when it is the process's turn and free reports true, nil is always. It returns
	// act's error, or why it was not done, or why nobody knows: ErrLost or ErrGone.
	Pass(ctx context.Context, k Kind, what string, free func() bool, act func() error) error
	// Dead reports that nothing of it reaches a database any more.
	Dead() bool
	// Did is told of each statement that was done.
	Did(s *Store, query string)
}

// Kind is what sort of thing is about to be done.
type Kind string

// The kinds. Begin and Inside end with their contexts, for database/sql waits for that.
const (
	Read   Kind = "read"   // outside of a transaction
	Write  Kind = "write"  // one statement, committed by itself
	Begin  Kind = "begin"  // of a transaction
	Inside Kind = "inside" // a statement of a transaction
	Commit Kind = "commit" // of a transaction
)

// What becomes of a connection.
var (
	ErrGone = errors.New("simulation: this process is dead")
	ErrLost = errors.New("simulation: the connection broke")
)

// physical is a connection of the engine, with its statements compiled once.
type physical struct {
	conn       driver.Conn
	statements map[string]driver.Stmt
}

// Open makes an empty database.
func Open(name string) (*Store, error) {
	s := &Store{Name: name}
	engine := &sqlite.Driver{}
	clock := func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		const second = 1000
		return float64(time.Now().Add(s.offset).UnixMilli()) / second, nil // s.mu is held
	}
	if err := engine.RegisterScalarFunction("unixepoch", 1, clock); err != nil {
		return nil, err
	}
	conn, err := engine.Open(":memory:")
	if err != nil {
		return nil, err
	}
	s.one = &physical{conn, map[string]driver.Stmt{}}
	return s, nil
}

// Close closes the connection.
func (s *Store) Close() (err error) {
	for _, stmt := range s.one.statements {
		err = errors.Join(err, stmt.Close())
	}
	return errors.Join(err, s.one.conn.Close())
}

// Pool returns connections for a process. With nil they are nobody's: nobody is asked.
func (s *Store) Pool(from Client) *sql.DB {
	db := sql.OpenDB(connector{s, from})
	if from == nil {
		db.SetMaxOpenConns(1)
	}
	return db
}

// Busy reports whether somebody is in a transaction that writes.
func (s *Store) Busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder != nil
}

// Writes reports whether that is a connection of this process.
func (s *Store) Writes(c Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder != nil && s.holder.from == c
}

// Cut rolls back the transaction of a process that died.
func (s *Store) Cut(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder != nil && s.holder.from == c {
		s.undo()
	}
}

// undo ends the open transaction. The lock is held.
func (s *Store) undo() {
	s.holder = nil
	_, _ = s.one.exec("ROLLBACK", nil) // nothing else can have ended it
	if s.Freed != nil {
		s.Freed()
	}
}

// Step sets the clock forward, or back.
func (s *Store) Step(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += by
}

// Set sets the clock to so far ahead of the true time.
func (s *Store) Set(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = ahead
}

// Do runs a statement as nobody's.
func (s *Store) Do(query string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.one.exec(query, nil)
	return err
}

// Ask runs a query as nobody's, and returns each row as a line of its values.
func (s *Store) Ask(query string) (lines []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.one.query(query, nil)
	if err != nil {
		return nil, err
	}
	for _, row := range found.rows {
		words := make([]string, len(row))
		for i, v := range row {
			if words[i] = fmt.Sprint(v); v == nil {
				words[i] = ""
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines, nil
}

func (p *physical) stmt(query string) (driver.Stmt, error) {
	stmt := p.statements[query]
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := p.conn.Prepare(query)
	if err == nil {
		p.statements[query] = stmt
	}
	return stmt, err
}

// exec runs one statement; scripts, which are not kept, run as they are.
func (p *physical) exec(query string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := p.stmt(query)
	if err != nil {
		return nil, err
	}
	runs, ok := stmt.(driver.StmtExecContext)
	if !ok {
		return nil, fmt.Errorf("simulation: statements of %T cannot be run", stmt)
	}
	return runs.ExecContext(context.Background(), args)
}

func (p *physical) query(query string, args []driver.NamedValue) (rows *buffered, err error) {
	stmt, err := p.stmt(query)
	if err != nil {
		return nil, err
	}
	asks, ok := stmt.(driver.StmtQueryContext)
	if !ok {
		return nil, fmt.Errorf("simulation: statements of %T cannot be asked", stmt)
	}
	found, err := asks.QueryContext(context.Background(), args)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	rows = &buffered{columns: found.Columns()}
	for {
		row := make([]driver.Value, len(rows.columns))
		switch err := found.Next(row); {
		case errors.Is(err, io.EOF):
			return rows, nil
		case err != nil:
			return nil, err
		}
		rows.rows = append(rows.rows, row)
	}
}

// buffered are rows that were read.
type buffered struct {
	columns []string
	rows    [][]driver.Value
}

func (b *buffered) Columns() []string { return b.columns }
func (b *buffered) Close() error      { return nil }

func (b *buffered) Next(dest []driver.Value) error {
	if len(b.rows) == 0 {
		return io.EOF
	}
	copy(dest, b.rows[0])
	b.rows = b.rows[1:]
	return nil
}
