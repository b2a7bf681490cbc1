package seen

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
)

// Service tell how one caller's calls to one service stand. Durations are in
// nanoseconds in JSON, and counts since the caller's start, which a route begins anew
// when it is taken out of the service's settings and comes back.
type Service struct {
	Service   string         `json:"service"`
	Policy    balance.Policy `json:"policy"`    // how an instance is chosen
	Usual     time.Duration  `json:"usual"`     // the latency that an unknown instance is taken to have; 0: nothing is known
	Ejections uint64         `json:"ejections"` // times that an instance was left out for answering badly
	Instances []Instance     `json:"instances"` // by id
	Routes    []Route        `json:"routes"`    // by pattern; the first is of the calls that no route matches
	// Connections are nil where nothing bounds them.
	Connections *Connections `json:"connections,omitempty"`
}

// Instance tell what a caller knows of one instance.
type Instance struct {
	ID           string        `json:"id"`
	State        string        `json:"state"` // discovery.State, or "gone": off the list, with attempts in flight
	InFlight     int64         `json:"in_flight"`
	Latency      time.Duration `json:"latency"`                // the estimate that balance.PeakEWMA goes by; 0: nothing is known
	EjectedUntil time.Time     `json:"ejected_until,omitzero"` // left out until then for answering badly; zero: it is not
	Suspect      bool          `json:"suspect,omitempty"`      // no connection came about a moment ago
}

// Gone is the state of an instance that is off the list.
const Gone = "gone"

// Route tell how the calls of one route stand.
type Route struct {
	resilience.TargetStats

	Pattern  string                    `json:"route"` // the pattern; "" is the service's own
	Calls    uint64                    `json:"calls"`
	Failed   uint64                    `json:"failed"` // calls that brought no answer, whatever the reason
	Attempts Attempts                  `json:"attempts"`
	Retries  Retries                   `json:"retries"`
	Fallback *resilience.FallbackStats `json:"fallback,omitempty"`
}

// Unusual says in a few words each what is not as it should be with the calls now, such
// as "catalog-2 is left out for 8s more"; nothing while all is well. What only was so
// is not said.
func (s Service) Unusual(now time.Time) []string {
	var out []string
	for _, i := range s.Instances {
		switch {
		case i.EjectedUntil.After(now):
			out = append(out, fmt.Sprintf("%s is left out for %s more, it answers badly", i.ID, short(i.EjectedUntil.Sub(now))))
		case i.Suspect:
			out = append(out, i.ID+" cannot be reached")
		}
	}
	if c := s.Connections; c != nil && c.Waiting > 0 {
		out = append(out, fmt.Sprintf("%d calls wait for a connection, of which an instance gets %d", c.Waiting, c.PerInstance))
	}
	if len(s.Instances) == 0 {
		out = append(out, "no instance is known")
	}
	for _, r := range s.Routes {
		said := r.unusual()
		if said != "" && r.Pattern != "" {
			said = r.Pattern + ": " + said
		}
		if said != "" {
			out = append(out, said)
		}
	}
	return out
}

func (r Route) unusual() string {
	var out []string
	if b := r.Breaker; b != nil && b.State != resilience.Closed {
		said := "the breaker is " + b.State.String()
		if b.Left > 0 {
			said += " for " + short(b.Left) + " more"
		}
		out = append(out, said)
	}
	if b := r.Bulkhead; b != nil && b.InFlight >= b.Max {
		said := fmt.Sprintf("all %d places are taken", b.Max)
		if b.Waiting > 0 {
			said += fmt.Sprintf(", %d calls wait", b.Waiting)
		}
		out = append(out, said)
	}
	return strings.Join(out, "; ")
}

// short writes a duration as a person wants it.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(time.Second).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
