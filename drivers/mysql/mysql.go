// Package mysql opens MariaDB databases (10.6 or newer) for Muster's services, by URLs such as
// mysql://orders:secret@db:3306/orders. A service passes [Driver] to muster.With; any other
// program may call Driver.Open.
//
// So that a service's SQL is the same on SQLite, PostgreSQL and here, the driver takes what those
// say and MariaDB does not: parameters as $1, in any order and more than once; "names" in double quotes; ||
// between texts; CAST(x AS text) and CAST(x AS bigint); and ON CONFLICT (...) DO NOTHING behind an INSERT
// of one row. All else is MariaDB's own.
package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/musterdev/muster/observe/sqltrace"
)

// Driver opens MariaDB databases. It is a value without state, to be passed to muster.With or
// used directly.
var Driver opener

type opener struct{}

const (
	startWithin = 5 * time.Second // how long Open waits for a server that is starting
	askEvery    = 100 * time.Millisecond
	connectIn   = 3 * time.Second
	port        = "3306"

	maxOpen     = 10
	idleFor     = 5 * time.Minute
	maxLifetime = 30 * time.Minute
)

// Name returns "mysql".
func (opener) Name() string { return "mysql" }

// Schemes returns the URL schemes Open takes: "mysql" and "mariadb".
func (opener) Schemes() []string { return []string{"mysql", "mariadb"} }

// Open returns a pool that has reached the server; while the server is starting, or does not answer
// yet, Open asks again for up to five seconds. The URL is mysql://user:password@host:port/database, with the parameters
// pool_max_conns, the most connections of this process, 10 by default, and tls, which is false (the default), true, or
// skip-verify. Errors are one line without passwords.
//
// Sessions are strict (sql_mode), in UTC, and read what is committed. A statement has affected the rows that it
// found, changed or not, as on the other engines. Errors have SQLSTATE codes, those of
// PostgreSQL where they mean the same, see tx.SQLState. The *sql.DB is safe for concurrent use; the caller closes it.
func (opener) Open(ctx context.Context, address string) (*sql.DB, error) {
	cfg, conns, err := configure(address)
	if err != nil {
		return nil, err
	}
	base, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("mysql: the database's URL: %w", err)
	}
	host, _, _ := net.SplitHostPort(cfg.Addr) // configure has made it
	db := sql.OpenDB(&connector{Connector: base, cfg: cfg, traced: sqltrace.Database{System: "mariadb", Namespace: cfg.DBName, Address: host}})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(idleFor)
	db.SetConnMaxLifetime(maxLifetime)
	if err := reach(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// modes make MariaDB say what the other engines say: errors for what does not fit, "names", texts || texts, and
// UPDATEs whose right sides are all of the row as it was.
const modes = `'SIMULTANEOUS_ASSIGNMENT,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT'`

// configure reads a URL.
func configure(address string) (cfg *mysql.Config, conns int, err error) {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("mysql: the database's URL is not mysql://user:password@host:port/database: "+format, args...)
	}
	u, err := url.Parse(address)
	if err != nil {
		if parse, ok := errors.AsType[*url.Error](err); ok { // it would show the password
			err = parse.Err
		}
		return nil, 0, wrong("%w", err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.Scheme != "mysql" && u.Scheme != "mariadb":
		return nil, 0, wrong("it begins with %q", u.Scheme)
	case u.Hostname() == "":
		return nil, 0, wrong("it has no host")
	case name == "" || strings.Contains(name, "/"):
		return nil, 0, wrong("it has no database, or more than that")
	}
	cfg = mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", net.JoinHostPort(u.Hostname(), port), name
	if u.Port() != "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), u.Port())
	}
	cfg.Timeout, cfg.ParseTime, cfg.Loc, cfg.ClientFoundRows, cfg.InterpolateParams = connectIn, true, time.UTC, true, true
	cfg.Logger = &mysql.NopLogger{} // what it says, errors say too
	cfg.Params = map[string]string{"sql_mode": modes, "time_zone": "'+00:00'", "tx_isolation": "'READ-COMMITTED'"}
	conns = maxOpen
	for key, values := range u.Query() {
		value := values[len(values)-1]
		switch key {
		case "pool_max_conns":
			if conns, err = strconv.Atoi(value); err != nil || conns < 1 || conns > 1000 {
				return nil, 0, fmt.Errorf("mysql: %s=%s in the database's URL: write a number from 1 to 1000", key, value)
			}
		case "tls":
			if value != "true" && value != "false" && value != "skip-verify" {
				return nil, 0, fmt.Errorf("mysql: %s=%s in the database's URL: write true, false or skip-verify", key, value)
			}
			cfg.TLSConfig = value
		default:
			return nil, 0, fmt.Errorf("mysql: %s in the database's URL: known are pool_max_conns and tls", key)
		}
	}
	return cfg, conns, nil
}

// reach connects, and waits for a server that is starting.
func reach(ctx context.Context, db *sql.DB) error {
	deadline := time.NewTimer(startWithin)
	defer deadline.Stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		var away *net.OpError
		if err == nil || !errors.As(err, &away) {
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

// connector is the client's, with statements that the other engines know and errors for people.
type connector struct {
	driver.Connector
	cfg    *mysql.Config
	traced sqltrace.Database
	known  statements
}

// Connect opens one connection.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, c.unreached(err)
	}
	base, ok := raw.(clientConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("mysql: the client's connection %T lacks what is needed", raw), raw.Close())
	}
	return &conn{clientConn: base, connector: c}, nil
}

// Driver returns the client's driver, extended.
func (c *connector) Driver() driver.Driver { return engine{c.Connector.Driver()} }

type engine struct{ driver.Driver }

// Dialect names the engine to package tx.
func (engine) Dialect() string { return "mysql" }
