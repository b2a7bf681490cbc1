package quota

import (
	"fmt"
	"maps"
	"slices"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// Limits say how much each caller may ask of one service, all its instances together.
// The zero value is no limit.
type Limits struct {
	Default Rate            `yaml:"default" json:"default,omitzero"` // of each caller that From does not name
	From    map[string]Rate `yaml:"from" json:"from,omitempty"`      // by the calling service's name; "edge" is what comes from outside
}

// IsZero reports whether nothing is limited, nor said to be not.
func (l Limits) IsZero() bool { return !l.Default.Limited() && len(l.From) == 0 }

// Of returns what a caller may ask.
func (l Limits) Of(caller string) Rate {
	if r, ok := l.From[caller]; ok {
		return r
	}
	return l.Default
}

// Validate returns a *problem.Error (invalid_argument) with a detail for each value that
// is not possible, or nil.
func (l Limits) Validate() error {
	var found []problem.Detail
	check := func(field string, r Rate) {
		if !r.possible() {
			found = append(found, problem.Detail{Field: field, Reason: fmt.Sprintf("is not from 1 to %d calls in a time of a year at most", MaxCount)})
		}
	}
	check("default", l.Default)
	for _, name := range slices.Sorted(maps.Keys(l.From)) {
		field := fmt.Sprintf("from.%.80q", name)
		if !discovery.ValidName(name) {
			found = append(found, problem.Detail{Field: field, Reason: "is not the name of a service"})
		}
		check(field, l.From[name])
	}
	if len(found) == 0 {
		return nil
	}
	e := problem.New(problem.InvalidArgument, "the limits of a service's callers cannot be used as they are set")
	e.Details = found
	return e
}
