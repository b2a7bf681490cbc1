package crash

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is what a boundary does.
type Kind string

// The kinds.
const (
	Statement Kind = "statement" // SQL, BEGIN included
	Commit    Kind = "commit"
	Rollback  Kind = "rollback"
	Write     Kind = "write" // to a network, or to a broker
)

// Boundary is one input or output that a process made.
type Boundary struct {
	Index int    `json:"index"` // from 1, of all kinds, since counting began
	Kind  Kind   `json:"kind"`
	What  string `json:"what,omitempty"` // "UPDATE muster_saga", "answer", "call", "broker"; "" of commits and rollbacks
	N     int    `json:"n"`              // from 1, of this Kind and What, since counting began
}

// Name returns the boundary's name: "commit #3", "statement UPDATE muster_saga #17".
func (b Boundary) Name() string {
	if b.What == "" {
		return fmt.Sprintf("%s #%d", b.Kind, b.N)
	}
	return fmt.Sprintf("%s %s #%d", b.Kind, b.What, b.N)
}

// Side tells before a boundary from after it.
type Side string

// The sides.
const (
	Before Side = "before" // nothing of it has happened
	After  Side = "after"  // all of it has happened, and the process never learns
)

// Point is where a process is to crash.
type Point struct {
	At   string `json:"at"` // the name of a boundary, or its index
	Side Side   `json:"side"`
}

// String returns the point as [ParsePoint] reads it: "before commit #3".
func (p Point) String() string { return string(p.Side) + " " + p.At }

// ParsePoint reads "before commit #3", "after statement UPDATE muster_saga #17" or
// "before 37". The error is one line that says what is wrong.
func ParsePoint(text string) (Point, error) {
	side, at, _ := strings.Cut(strings.TrimSpace(text), " ")
	p := Point{At: strings.TrimSpace(at), Side: Side(side)}
	return p, p.check()
}

// check refuses what no boundary can match.
func (p Point) check() error {
	if p.Side != Before && p.Side != After {
		return fmt.Errorf("the crash point %q does not begin with before or after, as in: before commit #3", p)
	}
	if n, err := strconv.Atoi(p.At); err == nil && n >= 1 {
		return nil
	}
	name, number, found := strings.Cut(p.At, " #")
	if n, err := strconv.Atoi(number); !found || err != nil || n < 1 {
		return fmt.Errorf("the crash point %q names no boundary: write an index, such as 37, or a name with its number, such as commit #3", p)
	}
	kind, what, _ := strings.Cut(name, " ")
	switch k := Kind(kind); {
	case k == Commit || k == Rollback:
		if what != "" {
			return fmt.Errorf("the crash point %q: a %s has no name but its number: %s #%s", p, k, k, number)
		}
	case k != Statement && k != Write:
		return fmt.Errorf("the crash point %q is of the kind %q: known are statement, commit, rollback and write", p, kind)
	}
	return nil
}

// matches tells whether a boundary is the point's.
func (p Point) matches(b Boundary) bool {
	if n, err := strconv.Atoi(p.At); err == nil {
		return n == b.Index
	}
	return p.At == b.Name()
}
