// Package supervise runs a fleet on this machine. A Supervisor owns every process:
// the platform's engines and the services. It starts them, keeps them alive,
// replaces them without a gap, and leaves none behind, not even when it is killed.
//
// The packages below it do one thing each: guard ends the children of a dead
// supervisor, process runs one child, instance keeps one copy of a service alive,
// build and watch follow the files it is made from, ctl is the control socket.
package supervise

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/plan"
	"github.com/musterdev/muster/platform/supervise/probe"
)

// Folder is the name of the folder that holds a fleet's state: sockets, logs,
// built programs, SQLite files.
const Folder = ".muster"

// An engine that is not alive is to be known as such within a few seconds: everything
// rests on it.
const (
	engineLiveEvery  = 500 * time.Millisecond
	engineLiveWithin = time.Second
)

// Engine is a part of the platform that runs as a process of its own.
type Engine struct {
	Name string   // "control"
	Argv []string // the program and its arguments
	Dir  string   // working directory; "" is the supervisor's
	Env  []string // more variables, NAME=value
	// Told returns further variables, from the addresses of the services to which
	// muster.yaml refers; may be nil.
	Told    func(peers map[string]fleet.Address) ([]string, error)
	Port    int    // where it listens on 127.0.0.1; checked to be free before anything starts
	Setting string // what chooses another port, for the message: "--port or MUSTER_EDGE_PORT"

	// Ready is asked; the zero value is GET /readyz on Port.
	Ready probe.Target
	// Live is asked once it is ready, twice a second. After three noes in a row it
	// is killed and started again: one that hangs, or was frozen, is as bad as dead.
	// The zero value is GET /livez on Port, if there is one; probe.None asks nobody. Its Timeout is 1 s
	// when 0.
	Live probe.Target

	// Front says that it takes the requests of the world outside: it ends before
	// the services, the others after them.
	Front bool
	// Succeed are more arguments, with which another process takes this one's place while it
	// runs, and a bound of how long it may go on after that; nil: it cannot be upgraded.
	Succeed []string
	// Serves reports whether it is the process with this pid that serves by now.
	Serves func(ctx context.Context, pid int) bool
	// Leaves bounds how long one goes on whose place was taken.
	Leaves time.Duration

	Grace time.Duration // from SIGTERM to SIGKILL; 0: 10 s
}

// Config says what to run and how.
type Config struct {
	Fleet    *fleet.Fleet
	Dir      string   // gets the folder .muster; "" is the fleet's
	Engines  []Engine // started together, before the services
	Guardian []string // argv of a program that calls guard.Main(os.Stdin, os.Stdout)
	Env      []string // what every child is told besides its own; nil: this process's environment

	RegistryURL string // MUSTER_REGISTRY_URL of the services
	BusURL      string // MUSTER_BUS_URL; "": what the fleet says
	EventsURL   string // MUSTER_EVENTS_URL; "": not told
	Telemetry   string // OTEL_EXPORTER_OTLP_ENDPOINT; "": what the fleet says

	Registry instance.Registry // nil: none
	Edge     instance.Edge     // nil: none

	// Load reads the fleet's files again when one of them changed; nil: they are
	// not watched. Its error is shown, and the old fleet runs on.
	Load func() (*fleet.Fleet, error)
	// Applied is told a fleet that was read again, when its new services are up and
	// those that are gone not yet down: the moment for a new routing table. May be nil.
	Applied func(ctx context.Context, f *fleet.Fleet) error
	// Watch replaces a service when files it is made from change.
	Watch bool

	Events func(event.Event) // called one at a time; must not block for long; may be nil
	Log    *slog.Logger      // nil: nothing is logged
	Timing instance.Timing   // the zero value is right but for tests
}

// validate fills in defaults and refuses what cannot work.
func (c Config) validate() (Config, error) {
	switch {
	case c.Fleet == nil:
		return c, errors.New("supervise: no fleet given")
	case len(c.Guardian) == 0:
		return c, errors.New("supervise: no command for the guardian given")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	dir, err := filepath.Abs(cmp.Or(c.Dir, c.Fleet.Dir))
	if err != nil {
		return c, fmt.Errorf("supervise: %w", err)
	}
	c.Dir = dir
	for i, e := range c.Engines {
		if e.Ready.Kind == "" {
			c.Engines[i].Ready = probe.Target{Kind: probe.HTTP, Address: plan.Local(e.Port), Path: "/readyz"}
		}
		live := &c.Engines[i].Live
		if live.Kind == "" && e.Port != 0 {
			live.Kind, live.Address, live.Path = probe.HTTP, plan.Local(e.Port), "/livez"
		}
		live.Timeout = cmp.Or(live.Timeout, engineLiveWithin)
	}
	return c, nil
}

// state returns a path in the folder .muster.
func (c Config) state(elements ...string) string {
	return filepath.Join(append([]string{c.Dir, Folder}, elements...)...)
}
