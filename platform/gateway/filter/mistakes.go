package filter

import (
	"fmt"

	"github.com/musterdev/muster/problem"
)

// Mistakes gathers all that is wrong with a Spec's With. The zero value has none.
type Mistakes struct{ found []problem.Detail }

// Add notes a mistake in a field, such as "issuers[0].audience".
func (m *Mistakes) Add(field, format string, args ...any) {
	m.found = append(m.found, problem.Detail{Field: field, Reason: fmt.Sprintf(format, args...)})
}

// Err returns the mistakes as a *problem.Error, InvalidArgument, or nil.
func (m *Mistakes) Err() error {
	if len(m.found) == 0 {
		return nil
	}
	e := problem.New(problem.InvalidArgument, "the filter cannot be made so")
	e.Details = m.found
	return e
}
