package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// The SQLSTATE codes this driver gives; PostgreSQL uses the same.
const (
	notNullViolation    = "23502"
	foreignKeyViolation = "23503"
	uniqueViolation     = "23505"
	checkViolation      = "23514"
	readOnlyTransaction = "25006"
	inFailedTransaction = "25P02"
	diskFull            = "53100"
	lockNotAvailable    = "55P03"
	queryCanceled       = "57014"
	ioError             = "58030"
	dataCorrupted       = "XX001"
)

// dbError is an error of SQLite's with its SQLSTATE; where the cause lies outside
// the statement the message names the file and what to do. errors.As finds the
// *sqlite.Error of modernc.org/sqlite in it.
type dbError struct {
	state   string
	message string // "" takes cause's
	cause   error
}

func (e *dbError) SQLState() string { return e.state }
func (e *dbError) Unwrap() error    { return e.cause }

func (e *dbError) Error() string {
	if e.message == "" {
		return e.cause.Error()
	}
	return e.message
}

// explain turns an error of the engine into one of ours.
func (c *connector) explain(err error) error {
	var raw *sqlite.Error
	if err == nil || !errors.As(err, &raw) {
		return err
	}
	e := &dbError{state: stateOf(raw.Code()), cause: err}
	say := func(format string, args ...any) {
		e.message = "sqlite: " + c.path + " " + fmt.Sprintf(format, args...)
	}
	switch raw.Code() & 0xff {
	case lib.SQLITE_BUSY:
		say("is locked by another program, which did not let go within %s: end what it does there (an open transaction in a sqlite3 shell, a backup) and try again", c.busy)
	case lib.SQLITE_NOTADB:
		say("is not an SQLite database: move the file away, or name another one")
	case lib.SQLITE_CORRUPT:
		say("is damaged (%s): restore it from a backup, or save what is left with the sqlite3 shell's .recover", raw)
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		say("cannot be written: give this user the right to write the file and its folder (%s)", raw)
	case lib.SQLITE_CANTOPEN:
		say("cannot be opened: give this user the right to read and write the file and its folder (%s)", raw)
	case lib.SQLITE_FULL:
		say("cannot grow, the disk is full: free some space")
	case lib.SQLITE_IOERR:
		say("cannot be read or written: check the disk (%s)", raw)
	default:
		if e.state == "" {
			return err
		}
	}
	return e
}

// isPlainError reports whether SQLite refuses a statement for what it says, such as
// a BEGIN inside a transaction or a ROLLBACK outside one.
func isPlainError(err error) bool {
	var raw *sqlite.Error
	return errors.As(err, &raw) && raw.Code() == lib.SQLITE_ERROR
}

// stateOf returns the SQLSTATE for one of SQLite's extended result codes.
func stateOf(code int) string {
	switch code {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID:
		return uniqueViolation
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return foreignKeyViolation
	case lib.SQLITE_CONSTRAINT_NOTNULL:
		return notNullViolation
	case lib.SQLITE_CONSTRAINT_CHECK:
		return checkViolation
	}
	switch code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return lockNotAvailable
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return readOnlyTransaction
	case lib.SQLITE_FULL:
		return diskFull
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
		return ioError
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return dataCorrupted
	case lib.SQLITE_INTERRUPT:
		return queryCanceled
	}
	return ""
}
