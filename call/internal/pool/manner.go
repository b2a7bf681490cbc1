package pool

import "github.com/musterdev/muster/call/resilience"

// Manner is what is said of how calls like one are made, for an engine that makes them by
// Caller.Do.
type Manner struct {
	Priority resilience.Priority // of a request that enters the fleet by this call
	By       string              // the field whose value is Op.Key; "" none
	// Whole says that such calls may have two attempts at a time, another answer in place of the
	// service's, or wait for one of so many connections: what Caller.RoundTrip does, and Do does not.
	Whole bool
}

// Manner returns how calls to the target are made now.
func (t *Target) Manner() Manner {
	m := Manner{Priority: resilience.Normal, By: t.By, Whole: t.Policy.Hedge != nil || t.Fallback != nil || t.Connections > 0}
	if p := t.Rule.Priority; p != nil {
		m.Priority = *p
	}
	return m
}
