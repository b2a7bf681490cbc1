package mysql

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// dbError is an error of the server's with its SQLSTATE. errors.As finds the *mysql.MySQLError in it.
type dbError struct {
	state string
	cause error
}

func (e *dbError) SQLState() string { return e.state }
func (e *dbError) Unwrap() error    { return e.cause }

// Error is what the server says, in one line.
func (e *dbError) Error() string {
	return strings.Join(strings.Fields(e.cause.Error()), " ")
}

// Numbers of MariaDB's errors.
const (
	duplicateKey   = 1062
	deniedUser     = 1045
	deniedDatabase = 1044
	noDatabase     = 1049
)

// states are PostgreSQL's codes for what both know; others keep MariaDB's own.
var states = map[uint16]string{ //nolint:gochecknoglobals // a table
	duplicateKey: "23505", 1586: "23505", // a row with this key is there
	1048: "23502", 1364: "23502", // a value is missing
	1216: "23503", 1217: "23503", 1451: "23503", 1452: "23503", // a row is referred to, or not there
	4025: "23514", 3819: "23514", // a check
	1146: "42P01",                // no such table
	1054: "42703",                // no such column
	1064: "42601",                // syntax
	1205: "55P03",                // waited too long for a lock
	1213: "40P01",                // a deadlock
	1020: "40001",                // changed since it was read
	1317: "57014", 1969: "57014", // cancelled
	1792: "25006", 1290: "25006", // read only
	1406: "22001", 1264: "22003", // too long, out of range
	1021: "53100", 1114: "53100", // full
	1040: "53300", 1203: "53300", // too many connections
}

func explain(err error) error {
	var said *mysql.MySQLError
	switch {
	case err == nil || errors.Is(err, driver.ErrSkip):
		return err
	case errors.As(err, &said):
		state, ok := states[said.Number]
		if !ok {
			state = string(said.SQLState[:])
		}
		return &dbError{state: state, cause: err}
	case errors.Is(err, mysql.ErrInvalidConn):
		return fmt.Errorf("mysql: the connection to the server broke: %w", err)
	}
	return err
}

func isDuplicate(err error) bool {
	var said *mysql.MySQLError
	return errors.As(err, &said) && said.Number == duplicateKey
}

// unreached says why there is no connection, without the password.
func (c *connector) unreached(err error) error {
	at := fmt.Sprintf("%s at %s", c.cfg.DBName, c.cfg.Addr)
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return fmt.Errorf("mysql: the database %s cannot be reached: %w", at, err)
	}
	hint := ""
	switch said.Number {
	case deniedUser:
		hint = ": check user and password in the database's URL"
	case deniedDatabase:
		hint = ": grant the user rights on the database"
	case noDatabase:
		hint = ": create the database"
	}
	return &dbError{state: string(said.SQLState[:]), cause: fmt.Errorf("mysql: the database %s cannot be opened%s: %w", at, hint, err)}
}
