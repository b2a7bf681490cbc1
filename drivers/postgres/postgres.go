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
	"net"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// startWithin is how long Open waits for a server that is starting.
	startWithin = 5 * time.Second
	askEvery    = 100 * time.Millisecond
	connectIn   = 3 * time.Second

	// The pool is bounded: PostgreSQL spends a process on each connection and
	// allows 100 by default, which all replicas of all services share.
	maxOpen     = 10
	maxIdle     = 5
	idleFor     = 5 * time.Minute
	maxLifetime = 30 * time.Minute
)

type muster struct{}

// Driver opens PostgreSQL databases. It has no state.
var Driver muster

// Name returns "postgres".
func (muster) Name() string { return "postgres" }

// Schemes returns the schemes of a DATABASE_URL this driver knows.
func (muster) Schemes() []string { return []string{"postgres", "postgresql"} }

// Open returns a pool of at most 10 connections that has reached the server; while
// the server says that it is starting, or is not there yet, Open asks again for up to
// 5 s. The URL is pgx's (and libpq's); the error never holds its password. Errors of
// the pool's statements have SQLSTATE codes, see tx.SQLState.
func (muster) Open(ctx context.Context, rawURL string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%s is no PostgreSQL URL: write postgres://USER:PASSWORD@HOST:PORT/DATABASE", redact(rawURL))
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectIn
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*cfg)})
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxIdle)
	db.SetConnMaxIdleTime(idleFor)
	db.SetConnMaxLifetime(maxLifetime)
	if err := reach(ctx, db); err != nil {
		_ = db.Close() // no connection was made
		return nil, explain(cfg, err)
	}
	return db, nil
}

// connector is pgx's, with a driver that tells its dialect.
type connector struct{ driver.Connector }

func (c connector) Driver() driver.Driver { return dialect{c.Connector.Driver()} }

type dialect struct{ driver.Driver }

// Dialect is what package tx asks for.
func (dialect) Dialect() string { return "postgres" }

func reach(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil || !starting(err) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// starting reports whether a server may answer a moment later.
func starting(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "57P03" // cannot_connect_now
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// explain says in one line what is wrong and what to do.
func explain(cfg *pgx.ConnConfig, err error) error {
	where := fmt.Sprintf("PostgreSQL at %s, database %q, user %q", net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port)), cfg.Database, cfg.User)
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if starting(err) {
			return fmt.Errorf("%s: no server answers there: start it, or correct the URL (%w)", where, cause(err))
		}
		return fmt.Errorf("%s: %w", where, cause(err))
	}
	advice := ""
	switch pg.Code {
	case "28P01", "28000":
		advice = ": correct user and password"
	case "3D000":
		advice = ": create it, or correct the URL"
	case "53300":
		advice = ": too many connections: fewer replicas, or a higher max_connections"
	case "57P03":
		advice = ": it has been starting or stopping for 5 s: look at its log"
	}
	return fmt.Errorf("%s: %w%s", where, pg, advice)
}

// cause returns the part of a connect error that names no password and fits a line.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if inner := errors.Unwrap(c); inner != nil {
			return inner
		}
	}
	return err
}

func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "DATABASE_URL"
	}
	return u.Redacted()
}
