package page

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/problem"
)

// Query is a list request that [Parse] found sound. It is read only and may be
// shared. Its zero value asks for nothing and matches everything.
type Query struct {
	spec    Spec
	size    int
	order   []Order
	filters []Filter
	after   []any // the sort values of the last row seen, one for each term of order; nil on the first page
}

// Order is one term of a sort order.
type Order struct {
	Field string
	Desc  bool
}

// Filter is one condition on a field. Its values have the Go type that the field's
// Kind names; there is one, or with In one to a hundred.
type Filter struct {
	Field  string
	Op     Op
	Values []any
}

// Size returns how many rows the caller wants at most.
func (q Query) Size() int { return q.size }

// Sort returns the order asked for, ended by the Spec's Key.
func (q Query) Sort() []Order { return slices.Clone(q.order) }

// Filters returns the conditions asked for, in the alphabetical order of their parameters.
func (q Query) Filters() []Filter { return slices.Clone(q.filters) }

// maxIn bounds the values of an In filter.
const maxIn = 100

// maxFaults bounds how many faults of one query are told.
const maxFaults = 20

// Parse reads the parameters of a list from a query string. What spec does not
// offer is an invalid_argument with one detail for each parameter at fault, naming
// the nearest known one. A spec that is itself unsound gives an internal error.
func Parse(values url.Values, spec Spec) (Query, error) {
	if err := spec.Check(); err != nil {
		return Query{}, problem.Wrap(err, problem.Internal, "this list is not set up rightly")
	}
	p := parser{spec: spec}
	q := Query{spec: spec, size: spec.defaultLimit()}
	q.order, _ = spec.order(spec.DefaultSort) // Check has seen that it is sound
	cursor := ""
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if n := len(values[name]); n == 0 {
			continue
		} else if n > 1 {
			p.fault(name, "is given %d times; give it once", n)
			continue
		}
		switch value := values[name][0]; name {
		case limitParam:
			q.size = p.limit(value)
		case sortParam:
			q.order = p.order(value)
		case cursorParam:
			cursor = value
		default:
			q.filters = append(q.filters, p.filter(name, value))
		}
	}
	if err := p.err(); err != nil {
		return Query{}, err
	}
	if cursor != "" {
		after, err := q.openCursor(cursor)
		if err != nil {
			return Query{}, problem.Wrap(err, problem.InvalidArgument, "the cursor does not go with this query").
				WithField(cursorParam, "must come from the page before, with sort and filters as they were; leave it out to begin anew")
		}
		q.after = after
	}
	return q, nil
}

// parser collects the faults of one query.
type parser struct {
	spec   Spec
	faults []problem.Detail
}

func (p *parser) fault(param, format string, args ...any) {
	if len(p.faults) < maxFaults {
		p.faults = append(p.faults, problem.Detail{Field: clip(param), Reason: fmt.Sprintf(format, args...)})
	}
}

func (p *parser) err() error {
	switch len(p.faults) {
	case 0:
		return nil
	case 1:
		e := problem.New(problem.InvalidArgument, "query parameter %q %s", p.faults[0].Field, p.faults[0].Reason)
		e.Details = p.faults
		return e
	}
	e := problem.New(problem.InvalidArgument, "%d query parameters are wrong", len(p.faults))
	e.Details = p.faults
	return e
}

func (p *parser) limit(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > p.spec.maxLimit() {
		p.fault(limitParam, "must be a whole number from 1 to %d", p.spec.maxLimit())
	}
	return n
}

func (p *parser) order(value string) []Order {
	terms, err := p.spec.order(value)
	if err != nil {
		p.fault(sortParam, "%s", err)
	}
	return terms
}

// filter reads one filter parameter; what it returns counts only if no fault is found.
func (p *parser) filter(param, value string) Filter {
	name, suffix, dotted := strings.Cut(param, ".")
	f, known := p.spec.field(name)
	op, ok := f.operator(suffix)
	switch {
	case !known || dotted && suffix == "":
		p.fault(param, "is not known here%s", hint(param, p.spec.names()))
		return Filter{}
	case !ok:
		p.fault(param, "is not a filter that %q has%s", name, f.offers(suffix))
		return Filter{}
	}
	texts := []string{value}
	if op == In {
		texts = splitList(value)
	}
	if len(texts) > maxIn {
		p.fault(param, "has %d values; at most %d are taken", len(texts), maxIn)
		return Filter{}
	}
	filter := Filter{Field: name, Op: op, Values: make([]any, 0, len(texts))}
	for _, text := range texts {
		v, ok := f.Kind.parse(text)
		if !ok {
			p.fault(param, "%s", f.Kind.expects())
			break
		}
		if len(f.Enum) > 0 && op != Prefix && !slices.Contains(f.Enum, text) {
			p.fault(param, "must be one of %s", strings.Join(f.Enum, ", "))
			break
		}
		filter.Values = append(filter.Values, v)
	}
	return filter
}

// splitList parts a list at its commas; a backslash takes the next letter as it is.
func splitList(s string) []string {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == ',':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(parts, b.String())
}
