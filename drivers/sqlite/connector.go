package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/musterdev/muster/observe/sqltrace"
)

// connector makes the connections of one pool. It is safe for concurrent use.
type connector struct {
	path     string // real and absolute
	busy     time.Duration
	engine   driver.Connector
	lock     *writeLock
	close    func() error // after the lock; may be nil
	database sqltrace.Database
}

// newConnector checks the file before anything is created beside it.
func newConnector(ctx context.Context, path string, busy, wait time.Duration) (*connector, error) {
	name, err := locate(path)
	if err != nil {
		return nil, err
	}
	c := &connector{path: name, busy: busy, database: sqltrace.Database{
		System: "sqlite", Namespace: strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)),
	}}
	if c.engine, err = sqlite.NewConnector(dsn(name, busy, "FULL")); err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", name, err)
	}
	if err := c.check(ctx); err != nil {
		return nil, err
	}
	file, err := openLockFile(name)
	if err != nil {
		return nil, err
	}
	c.lock = &writeLock{path: name, wait: wait, file: file}
	return c, nil
}

// dsn writes the engine's own form of a path and the settings of a connection.
func dsn(path string, busy time.Duration, synchronous string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/...
		path = "/" + path
	}
	q := url.Values{
		"_busy_timeout": {strconv.FormatInt(busy.Milliseconds(), 10)},
		"_foreign_keys": {"1"},
		"_synchronous":  {synchronous},
		"_txlock":       {"immediate"},
		"_time_format":  {"sqlite"},
		"_timezone":     {"UTC"},
		"_error_rc":     {"1"},
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// check reads the file's head and finds out whether it may be written.
func (c *connector) check(ctx context.Context) (err error) {
	raw, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	if _, err := raw.ExecContext(ctx, "PRAGMA schema_version", nil); err != nil {
		return c.explain(err)
	}
	if ro, ok := raw.(interface {
		IsReadOnly(schema string) (bool, error)
	}); ok {
		if yes, err := ro.IsReadOnly("main"); err == nil && yes {
			return &dbError{state: readOnlyTransaction, message: fmt.Sprintf(
				"sqlite: %s can only be read: give this user the right to write the file and its folder", c.path)}
		}
	}
	return nil
}

// Connect opens one connection.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	in, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{inner: in, from: c}, nil
}

// connect opens a connection of the engine.
func (c *connector) connect(ctx context.Context) (inner, error) {
	raw, err := c.engine.Connect(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	in, ok := raw.(inner)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite: connections of %T lack an interface this driver needs", raw), raw.Close())
	}
	return in, nil
}

// Driver returns the value that tells the dialect.
func (c *connector) Driver() driver.Driver { return engine{} }

// Close ends the pool's use of the lock files; (*sql.DB).Close calls it.
func (c *connector) Close() error {
	c.lock.close()
	if c.close != nil {
		return c.close()
	}
	return nil
}
