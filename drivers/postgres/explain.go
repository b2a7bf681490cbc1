package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectError is a failed connection in one line; errors.As finds the cause.
type connectError struct {
	message string
	cause   error
}

func (e *connectError) Error() string { return e.message }
func (e *connectError) Unwrap() error { return e.cause }

// starting reports whether a server may answer a moment later.
func starting(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "57P03" // cannot_connect_now
	}
	if timedOut(err) {
		return false
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
}

func timedOut(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// explain says in one line what is wrong with a connection and what to do.
func explain(cfg *pgx.ConnConfig, err error) error {
	where := fmt.Sprintf("postgres: cannot connect to database %q at %s as user %q", cfg.Database, address(cfg), cfg.User)
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		text := where + ": " + reason(err)
		if starting(err) {
			text += ": start the server, or correct the URL"
		}
		return &connectError{text, err}
	}
	return &connectError{where + ": " + pg.Message + advice(pg.Code), err}
}

// advice tells what to do about an SQLSTATE that comes when connecting.
func advice(code string) string {
	switch code {
	case "28P01":
		return ": correct the password"
	case "28000":
		return ": correct the user, or let it in by the server's pg_hba.conf"
	case "3D000":
		return ": create it, or correct the URL"
	case "53300":
		return ": run fewer replicas, lower pool_max_conns, or raise the server's max_connections"
	case "57P03":
		return ": wait until it has started, or look at its log"
	}
	return " (SQLSTATE " + code + ")"
}

func address(cfg *pgx.ConnConfig) string {
	if strings.HasPrefix(cfg.Host, "/") {
		return cfg.Host // the folder of a Unix socket
	}
	return net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))
}

// reason returns the part of a connect error that is not said already, in one line.
func reason(err error) string {
	if timedOut(err) {
		return "no answer in time"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return op.Err.Error()
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok && errors.Unwrap(c) != nil {
		err = errors.Unwrap(c)
	}
	return strings.Join(strings.FieldsFunc(err.Error(), func(c rune) bool { return c == '\n' || c == '\t' }), "; ")
}

// unreadable says what is wrong with a URL, and shows of it what holds no password.
func unreadable(raw string, err error) error {
	const form = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters as %%XX"
	u, parseErr := url.Parse(raw)
	if parseErr != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("postgres: the database's URL cannot be read: " + form)
	}
	u.RawQuery, u.Fragment = "", ""
	why := ""
	if parts := strings.Split(err.Error(), "`: "); len(parts) > 1 { // behind pgx's own copy of the URL
		why = ": " + parts[len(parts)-1]
	}
	return fmt.Errorf("postgres: %s is not the URL of a PostgreSQL database%s: "+form, u.Redacted(), why)
}
