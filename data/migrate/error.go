package migrate

import (
	"fmt"
	"strings"
)

// Error is a migration file that cannot be read or a statement that failed.
type Error struct {
	File      string // path in the Set's Files
	Line      int    // 1 is the first; 0 when the file as a whole is wrong
	Column    int    // in characters, 1 is the first; 0 when only the line is known
	Statement string // what failed; "" when the file could not be read
	Hint      string // what to do; may be ""
	Err       error
}

// Error returns one line: file:line:column, the reason, what to do, and the
// beginning of the statement.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Column > 0 {
		fmt.Fprintf(&b, ":%d", e.Column)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Hint != "" {
		b.WriteString(": " + e.Hint)
	}
	if e.Statement != "" {
		b.WriteString("; in: " + shorten(e.Statement))
	}
	return b.String()
}

// Unwrap returns the database's error.
func (e *Error) Unwrap() error { return e.Err }

// shorten makes one line of at most 120 characters of a statement.
func shorten(statement string) string {
	words := []rune(strings.Join(strings.Fields(statement), " "))
	const most = 120
	if len(words) > most {
		return string(words[:most]) + "…"
	}
	return string(words)
}

// wrong is an Error of a file that breaks the rules.
func wrong(file string, line int, hint, format string, args ...any) *Error {
	return &Error{File: file, Line: line, Hint: hint, Err: fmt.Errorf(format, args...)}
}
