// Package sqlite opens SQLite databases for Muster's services: a file on this
// host, shared safely by any number of processes.
//
// Every connection uses write-ahead logging, synchronous=FULL (a commit that was
// acknowledged survives a power cut) and foreign keys. Read-write transactions
// begin with BEGIN IMMEDIATE, and writers, those outside a transaction too, queue
// for a lock of their own: in the order they came within the process and by turns
// between processes. Readers never wait for writers. A transaction begun with
// sql.TxOptions{ReadOnly: true} takes no lock and refuses to write.
//
// The SQL of PostgreSQL works where SQLite knows it: placeholders $1, $2, ...;
// columns of type TIMESTAMPTZ are read as time.Time, in UTC; times are stored in
// UTC with the microseconds PostgreSQL keeps, so that they sort as text; errors
// have SQLSTATE codes (method SQLState).
//
// The engine is modernc.org/sqlite, which is SQLite itself translated to Go.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// Driver opens SQLite databases. It is a value without state, to be passed to
// muster.With or used directly.
var Driver opener //nolint:gochecknoglobals // a zero-size value, not state

type opener struct{}

// The bounds of a pool. Its connections are cheap, and a waiting writer holds one.
const (
	maxOpen     = 128
	maxIdle     = 16
	maxIdleTime = 5 * time.Minute
)

// How long is waited: for other programs that lock the database without taking
// turns, and for a turn to write.
const (
	busyWait  = 5 * time.Second
	writeWait = time.Minute
)

// Name returns "sqlite".
func (opener) Name() string { return "sqlite" }

// Schemes returns the URL schemes Open takes: "sqlite".
func (opener) Schemes() []string { return []string{"sqlite"} }

// Open opens the database of a URL sqlite:PATH and creates the file if it does not
// exist. PATH is taken literally, relative to the working directory or absolute;
// sqlite:///PATH is absolute too. Beside the file PATH there will be PATH-wal and
// PATH-shm, SQLite's own, and the lock files PATH.lock and PATH.lock-next; all
// belong together and stay on one host.
//
// sqlite::memory: opens a new empty database that is gone when it is closed.
//
// Open waits up to five seconds for a database that another program holds locked.
// The *sql.DB is safe for concurrent use; the caller closes it.
func (opener) Open(ctx context.Context, url string) (*sql.DB, error) {
	return open(ctx, url, busyWait, writeWait)
}

// OpenThrough is Open with connections that are made by what through makes of the
// driver's own connector. Package crash counts statements so.
func (opener) OpenThrough(ctx context.Context, url string, through func(driver.Connector) driver.Connector) (*sql.DB, error) {
	return openThrough(ctx, url, busyWait, writeWait, through)
}

func open(ctx context.Context, url string, busy, wait time.Duration) (*sql.DB, error) {
	return openThrough(ctx, url, busy, wait, nil)
}

// openThrough opens a database; through may be nil.
func openThrough(ctx context.Context, url string, busy, wait time.Duration, through func(driver.Connector) driver.Connector) (*sql.DB, error) {
	path, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	var own *connector
	if path == memory {
		own, err = newMemoryConnector(wait)
	} else {
		own, err = newConnector(ctx, path, busy, wait)
	}
	if err != nil {
		return nil, err
	}
	c := driver.Connector(own)
	if through != nil {
		c = through(c)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxIdle)
	db.SetConnMaxIdleTime(maxIdleTime)
	if err := useWAL(ctx, db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// useWAL turns write-ahead logging on, which the file remembers.
func useWAL(ctx context.Context, db *sql.DB, path string) error {
	var mode string
	for _, pragma := range []string{"PRAGMA journal_mode", "PRAGMA journal_mode=WAL"} { // the second waits for those who write
		if err := db.QueryRowContext(ctx, pragma).Scan(&mode); err != nil {
			return err
		}
		if mode == "wal" {
			return nil
		}
	}
	return fmt.Errorf("sqlite: %s cannot use write-ahead logging (it is in mode %s): put it on a local disk", path, mode)
}

// engine is what (*sql.DB).Driver returns.
type engine struct{}

// Dialect names the engine to package tx.
func (engine) Dialect() string { return "sqlite" }

// Open is not how these databases are opened: a connection by itself has no pool
// to queue its writers.
func (engine) Open(string) (driver.Conn, error) {
	return nil, errors.New("sqlite: open databases with sqlite.Driver.Open, which returns a *sql.DB")
}
