// Package event says what happens to a fleet, for people who watch it start and
// for programs that react.
package event

import (
	"log/slog"
	"time"
)

// Kind says what happened.
type Kind string

// What happens to the platform's own parts, to services and to instances.
const (
	FleetReady    Kind = "fleet ready"    // everything was ready at once for the first time; After: since the start
	FleetStopping Kind = "fleet stopping" // everything is being stopped
	FleetReloaded Kind = "fleet reloaded" // a changed muster.yaml was applied, all of it
	FleetRefused  Kind = "fleet refused"  // a changed muster.yaml has mistakes: the old fleet runs on
	Guardian      Kind = "guardian"       // the guardian died and was replaced

	Building    Kind = "building"     // a service's program is being built
	Built       Kind = "built"        // After: how long that took
	BuildFailed Kind = "build failed" // Detail: what the builder said
	Changed     Kind = "changed"      // a service's files changed
	Replacing   Kind = "replacing"    // a service's instances are being replaced in turn
	Replaced    Kind = "replaced"     // After: how long that took
	Failed      Kind = "failed"       // a service could not be changed as ordered; Detail: why, and what runs on
	Scaled      Kind = "scaled"       // Detail: from how many to how many
	Removed     Kind = "removed"      // a service is gone
	WatchOff    Kind = "watch off"    // a service's files are not watched; Detail: why
	LimitsOff   Kind = "limits off"   // a service does not limit its callers as it was said to; Detail: why

	Starting Kind = "starting" // an instance's process runs
	Ready    Kind = "ready"    // After: since its process began
	Unready  Kind = "unready"  // it says no more that it is ready
	Died     Kind = "died"     // Detail: how
	Backoff  Kind = "backoff"  // After: how long until it is started again
	Draining Kind = "draining" // it gets no new requests
	Stopped  Kind = "stopped"  // it ended as it was told; After: since the order
)

// Event is one thing that happened.
type Event struct {
	Time     time.Time     `json:"time"`
	Kind     Kind          `json:"kind"`
	Service  string        `json:"service,omitempty"`  // name of the service or engine
	Instance string        `json:"instance,omitempty"` // its id, when one instance is meant
	PID      int           `json:"pid,omitempty"`
	Port     int           `json:"port,omitempty"`
	After    time.Duration `json:"after,omitempty"`  // nanoseconds; what it measures depends on Kind
	Detail   string        `json:"detail,omitempty"` // for people; may have several lines
}

// LogValue makes an event readable in a structured log.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind))}
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("service", e.Service)
	add("instance", e.Instance)
	if e.PID != 0 {
		attrs = append(attrs, slog.Int("pid", e.PID))
	}
	if e.Port != 0 {
		attrs = append(attrs, slog.Int("port", e.Port))
	}
	if e.After != 0 {
		attrs = append(attrs, slog.Duration("after", e.After))
	}
	add("detail", e.Detail)
	return slog.GroupValue(attrs...)
}
