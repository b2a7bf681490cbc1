package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxErrors is how many errors one reading reports at most; the rest is counted.
const MaxErrors = 20

// Place is a position in a file. Line and Column count from 1; zero means that
// the place is not known.
type Place struct {
	File         string
	Line, Column int
}

// String returns the place as compilers write it: file:line:column.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Errorf returns an error at this place.
func (p Place) Errorf(format string, args ...any) *Error {
	return &Error{File: p.File, Line: p.Line, Column: p.Column, Message: fmt.Sprintf(format, args...)}
}

// Error is one mistake: what is wrong, where, and what to do, on one line.
type Error struct {
	File    string // as the user named it; empty when no file is to blame, such as for a variable
	Line    int    // from 1; 0 when unknown
	Column  int    // in characters, from 1; 0 when unknown
	Message string // one line, without the place
}

// Error returns the line: file:line:column: message.
func (e *Error) Error() string {
	if e.File == "" {
		return e.Message
	}
	return Place{e.File, e.Line, e.Column}.String() + ": " + e.Message
}

// Errors are all the mistakes of one reading, sorted by place. errors.As finds
// the first *Error in it.
type Errors struct {
	List    []*Error // 1 to MaxErrors
	Omitted int      // how many more there were
}

// Error returns one line for each mistake.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.List)+1)
	for _, one := range e.List {
		lines = append(lines, one.Error())
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more errors", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each mistake, for errors.Is and errors.As.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, one := range e.List {
		list[i] = one
	}
	return list
}

// Collector gathers the errors of one reading. The zero value is ready for use,
// by one goroutine at a time.
type Collector struct {
	list []*Error
	seen map[Error]bool
}

// Add records an error; the same one twice counts once.
func (c *Collector) Add(e *Error) {
	if c.seen[*e] {
		return
	}
	if c.seen == nil {
		c.seen = map[Error]bool{}
	}
	c.seen[*e] = true
	c.list = append(c.list, e)
}

// Len returns how many errors there are so far.
func (c *Collector) Len() int { return len(c.list) }

// Err returns nil when nothing was recorded, else an *Errors sorted by place.
func (c *Collector) Err() error {
	if len(c.list) == 0 {
		return nil
	}
	list := slices.Clone(c.list)
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	shown := min(len(list), MaxErrors)
	return &Errors{List: list[:shown], Omitted: len(list) - shown}
}
