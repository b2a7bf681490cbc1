// Package instance keeps one copy of a service alive: it starts its process, asks
// whether it is ready, says so to the registry when the program does not itself,
// starts it again when it dies, drains and ends it when told.
//
// What happens next is decided by step, which is pure; Instance carries it out.
package instance

import (
	"cmp"
	"context"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/platform/supervise/probe"
	"github.com/musterdev/muster/platform/supervise/process"
)

// Registry is the part of the registry that the holder of other programs' leases
// needs. Calls are concurrent, each with a bounded context.
type Registry interface {
	// Put registers and beats. Lease tells one process of an id from the next; the error
	// has the code problem.Conflict when another holds the id.
	Put(ctx context.Context, in discovery.Instance, lease string) error
	Delete(ctx context.Context, id, lease string) error // an unknown id is no error
	Drain(ctx context.Context, id string) error         // order the state draining
}

// Edge is told which instance is about to end. Drain returns when the edge sends
// the instance nothing more and has nothing in flight to it, or when ctx ends.
type Edge interface {
	Drain(ctx context.Context, id string) error
}

// Starter starts processes; *process.Starter is one.
type Starter interface {
	Start(process.Spec) (*process.Process, error)
}

// Timing says how long things may take. A zero field means its default.
type Timing struct {
	ProbeFirst   time.Duration // between questions until the first yes; 100 ms
	AtOnceAfter  time.Duration // an instance ready for so long is started again at once; 10 s
	BackoffFirst time.Duration // the first pause before another start; 200 ms
	BackoffMost  time.Duration // the longest; 30 s
	BackoffReset time.Duration // ready for so long, an instance has a clean slate; 60 s
	Watchers     time.Duration // until all who watch the registry know of a draining instance; 1 s
	DrainWithin  time.Duration // until requests in flight are waited for no more; 30 s
	Beat         time.Duration // between renewals of a lease we hold; 1 s
	Register     time.Duration // until a ready instance must be in the registry; 10 s
}

func (t Timing) withDefaults() Timing {
	return Timing{
		ProbeFirst:   cmp.Or(t.ProbeFirst, 100*time.Millisecond),
		AtOnceAfter:  cmp.Or(t.AtOnceAfter, 10*time.Second),
		BackoffFirst: cmp.Or(t.BackoffFirst, 200*time.Millisecond),
		BackoffMost:  cmp.Or(t.BackoffMost, 30*time.Second),
		BackoffReset: cmp.Or(t.BackoffReset, time.Minute),
		Watchers:     cmp.Or(t.Watchers, time.Second),
		DrainWithin:  cmp.Or(t.DrainWithin, 30*time.Second),
		Beat:         cmp.Or(t.Beat, discovery.BeatEvery),
		Register:     cmp.Or(t.Register, 10*time.Second),
	}
}

// Probe is a question that is asked again and again.
type Probe struct {
	Target   probe.Target
	Every    time.Duration // once the first yes came; 0: 1 s
	Within   time.Duration // of the readiness probe: from the start to the first yes; 0: 30 s
	Failures int           // so many noes in a row are a no; 0: 3
}

func (p Probe) withDefaults() Probe {
	p.Every = cmp.Or(p.Every, time.Second)
	p.Within = cmp.Or(p.Within, 30*time.Second)
	p.Failures = cmp.Or(p.Failures, 3)
	return p
}

// Config says what an instance is.
type Config struct {
	ID      string
	Service string
	Engine  bool // a part of the platform: neither registered nor drained
	Spec    process.Spec
	Ready   Probe
	Live    Probe         // asked once it is ready; a Kind of "" or None: never
	Grace   time.Duration // from SIGTERM to SIGKILL; 0: 10 s
	Timing  Timing
	Trial   bool // its first death is final until Settle

	// Record is what the registry is told when the program does not hold its
	// lease itself. An endpoint is told of once something listens there.
	Record discovery.Instance

	Starter  Starter
	Log      *logs.Log
	Registry Registry          // nil: none
	Edge     Edge              // nil: none
	Events   func(event.Event) // called one at a time for an instance; must not block for long
}

func (c Config) policy() Policy {
	return Policy{
		StartWithin:  c.Ready.Within,
		UnreadyAfter: c.Ready.Failures,
		DeadAfter:    c.Live.Failures,
		AtOnceAfter:  c.Timing.AtOnceAfter,
		BackoffFirst: c.Timing.BackoffFirst,
		BackoffMost:  c.Timing.BackoffMost,
		BackoffReset: c.Timing.BackoffReset,
		DrainWithin:  c.Timing.DrainWithin,
		Grace:        c.Grace,
	}
}
