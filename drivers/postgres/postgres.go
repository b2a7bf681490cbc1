// Package postgres opens PostgreSQL databases for Muster's services with pgx, by
// URLs such as postgres://orders@db:5432/orders. A service passes [Driver] to
// muster.With; any other program may call Driver.Open.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/musterdev/muster/observe/sqltrace"
)

// Driver opens PostgreSQL databases. It is a value without state, to be passed to
// muster.With or used directly.
var Driver opener

type opener struct{}

const (
	startWithin = 5 * time.Second // how long Open waits for a server that is starting
	askEvery    = 100 * time.Millisecond
	connectIn   = 3 * time.Second
)

// The pool is bounded: PostgreSQL spends a process on each connection and allows
// 100 by default, which all replicas of all services share.
const (
	maxOpen     = 10
	idleFor     = 5 * time.Minute
	maxLifetime = 30 * time.Minute
)

// Name returns "postgres".
func (opener) Name() string { return "postgres" }

// Schemes returns the URL schemes Open takes: "postgres" and "postgresql".
func (opener) Schemes() []string { return []string{"postgres", "postgresql"} }

// Open returns a pool that has reached the server; while the server is starting, or
// does not answer yet, Open asks again for up to five seconds. The URL is pgx's and
// libpq's, with one parameter more, which pgxpool has too: pool_max_conns, the most
// connections of this process, 10 by default. Errors are one line without passwords.
//
// Times in columns with a time zone are read in UTC. Errors of statements have
// SQLSTATE codes, see tx.SQLState. The *sql.DB is safe for concurrent use; the caller
// closes it.
func (opener) Open(ctx context.Context, url string) (*sql.DB, error) {
	return open(ctx, url, nil)
}

// OpenThrough is Open with connections that are made by what through makes of the
// driver's own connector. Package crash counts statements so.
func (opener) OpenThrough(ctx context.Context, url string, through func(driver.Connector) driver.Connector) (*sql.DB, error) {
	return open(ctx, url, through)
}

// open opens a pool; through may be nil.
func open(ctx context.Context, url string, through func(driver.Connector) driver.Connector) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, unreadable(url, err)
	}
	conns, err := poolSize(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > connectIn {
		cfg.ConnectTimeout = connectIn
	}
	cfg.Tracer = tracer{sqltrace.Database{System: "postgresql", Namespace: cfg.Database, Address: cfg.Host}}
	c := driver.Connector(connector{stdlib.GetConnector(*cfg, stdlib.OptionAfterConnect(readUTC)), cfg})
	if through != nil {
		c = through(c)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(idleFor)
	db.SetConnMaxLifetime(maxLifetime)
	if err := reach(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// poolSize takes our parameter out of those that are sent to the server.
func poolSize(cfg *pgx.ConnConfig) (int, error) {
	const name = "pool_max_conns"
	text, ok := cfg.RuntimeParams[name]
	if !ok {
		return maxOpen, nil
	}
	delete(cfg.RuntimeParams, name)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("postgres: %s=%s in the database's URL: write a number from 1 to 1000", name, text)
	}
	return n, nil
}

// readUTC makes a connection read times in UTC instead of this machine's zone.
func readUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// reach connects, and waits for a server that is starting.
func reach(ctx context.Context, db *sql.DB) error {
	deadline := time.NewTimer(startWithin)
	defer deadline.Stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for said := error(nil); ; {
		err := db.PingContext(ctx)
		switch {
		case err == nil:
			return nil
		case starting(err):
			said = err
		case said != nil && timedOut(err): // what was said before tells more than that the time is up
			return said
		default:
			return err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// connector is pgx's, with errors for people and a driver that tells its dialect.
type connector struct {
	driver.Connector
	cfg *pgx.ConnConfig
}

// Connect opens one connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, explain(c.cfg, err)
	}
	return conn, nil
}

// Driver returns pgx's driver, extended.
func (c connector) Driver() driver.Driver { return engine{c.Connector.Driver()} }

type engine struct{ driver.Driver }

// Dialect names the engine to package tx.
func (engine) Dialect() string { return "postgres" }

// ErrorPosition tells package migrate at which character of a statement, 1 is the
// first, the server saw an error.
func (engine) ErrorPosition(err error) (character int, ok bool) {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Position == 0 {
		return 0, false
	}
	return int(pg.Position), true
}
