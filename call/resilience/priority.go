package resilience

import (
	"context"
	"fmt"
	"strings"
)

// Priority is how much a call matters when there is not room for all: a server that is
// short of room serves the lower number first. It is set where a request enters the
// fleet, by route, and goes along with every call made for it (the idea of DAGOR, Zhou
// et al., SoCC 2018). A context without one has [Normal], which is not the zero value.
type Priority uint8

// The four classes.
const (
	Critical Priority = iota // what the business cannot do without: a payment, a login
	High                     // what a person waits for
	Normal                   // the default
	Low                      // what can be done later, or left out: prefetches, batches, reports
)

// Priorities is the number of classes.
const Priorities = 4

// PriorityHeader carries the priority's text form from hop to hop; in lower case it is
// the gRPC metadata key. Nobody outside the fleet is to be trusted with it: where
// requests enter, it is overwritten.
const PriorityHeader = "Muster-Priority"

// ShedHeader on an HTTP answer, or in lower case in a gRPC answer's trailer, says that
// the server turned the call away for want of room before anything was done. Such an
// answer is not asked for again at once.
const ShedHeader = "Muster-Shed"

// priorityNames has the text form of each class at its number.
func priorityNames() [Priorities]string { return [...]string{"critical", "high", "normal", "low"} }

// String returns the text form; a number that is no class counts as [Low].
func (p Priority) String() string { return priorityNames()[p.Class()] }

// Class returns p, or [Low] when p is no class: a number to index a table with.
func (p Priority) Class() Priority { return min(p, Low) }

// MarshalText returns the text form.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the text form as [ParsePriority] does.
func (p *Priority) UnmarshalText(text []byte) error {
	read, err := ParsePriority(string(text))
	if err == nil {
		*p = read
	}
	return err
}

// ParsePriority reads "critical", "high", "normal" or "low", in small letters as they
// are sent.
func ParsePriority(text string) (Priority, error) {
	for i, name := range priorityNames() {
		if text == name {
			return Priority(i), nil
		}
	}
	names := priorityNames()
	return Normal, fmt.Errorf("priority %.40q is not one of %s", text, strings.Join(names[:], ", "))
}

type priorityKey struct{}

// WithPriority returns a context whose calls have priority p.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p.Class())
}

// PriorityOf returns the priority of the work done in ctx, [Normal] where none was set.
func PriorityOf(ctx context.Context) Priority {
	if p, ok := ctx.Value(priorityKey{}).(Priority); ok {
		return p
	}
	return Normal
}
