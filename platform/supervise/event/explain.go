package event

import (
	"errors"
	"strings"
)

// Details returns what the program or the builder that failed had printed, line by
// line; nothing for an error of another kind.
func Details(err error) []string {
	type detailed interface {
		error
		Details() []string
	}
	if d, ok := errors.AsType[detailed](err); ok {
		return d.Details()
	}
	return nil
}

// Explain returns an error's line and, indented below it, its Details. It is what a
// command prints.
func Explain(err error) string {
	var b strings.Builder
	b.WriteString(err.Error())
	for _, line := range Details(err) {
		b.WriteString("\n    " + strings.TrimRight(line, "\r"))
	}
	return b.String()
}
