// Package local runs a fleet on this machine: a supervisor in this process, the
// platform's engines as its children or beside it, and around them what they start
// from. It knows no service by name.
package local

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ctl"
	"github.com/musterdev/muster/platform/supervise/event"
)

// Config says how a fleet runs on this machine.
type Config struct {
	Fleet *fleet.Fleet // its engines get the ports they choose freely
	Dir   string       // gets the folder .muster; "" is the fleet's
	// Program is the muster binary, which is started again for each engine; "" is this
	// program.
	Program string
	Single  bool                         // control, edge and broker in this process
	Names   []string                     // by which browsers ask for the dashboard, besides localhost and addresses
	Load    func() (*fleet.Fleet, error) // reads the file again; nil: it is not watched
	Watch   bool                         // services are replaced when their files change
	Events  func(event.Event)            // called one at a time; may be nil
	// Before is control.Config's: what stands before the registry. It wants Single, as
	// another process cannot be given it.
	Before func(registry http.Handler) http.Handler

	tell func(event.Event) // Events, or nobody
}

// ErrInterrupted is the end of a start whose context ended first.
var ErrInterrupted = errors.New("interrupted")

// ErrEnded is the end of a fleet that nobody ordered here.
var ErrEnded = errors.New("the fleet was ended by somebody else")

// Fleet is a fleet that is up.
type Fleet struct {
	*supervise.Supervisor
	*life
	EdgeURL    string
	ControlURL string

	doors doors
}

// Start brings a fleet up and returns when everything is ready, or with what kept it
// from that; then nothing of it is left. The fleet ends with ctx.
func Start(ctx context.Context, cfg Config) (*Fleet, error) {
	cfg.Dir = cmp.Or(cfg.Dir, cfg.Fleet.Dir)
	cfg.oneAtATime()
	if cfg.Before != nil && !cfg.Single {
		return nil, errors.New("local: Before wants Single: what stands before the registry must be in its process")
	}
	if err := preflight.ChoosePorts(cfg.Fleet); err != nil {
		return nil, err
	}
	f := &Fleet{life: newLife(), EdgeURL: loopback(cfg.Fleet.Edge.Port), ControlURL: loopback(cfg.Fleet.Control.Port)}
	socket, err := ctl.Listen(cfg.Dir) // first: what a fleet that runs here reads is not to be overwritten
	if err != nil {
		return nil, err
	}
	up := make(chan struct{})
	engines, err := f.prepare(ctx, &cfg, up)
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	orders, noOrders := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- ctl.Serve(orders, socket, f.Supervisor) }()
	collect, err := cfg.collect(f.Supervisor)
	if err != nil {
		noOrders()
		return nil, errors.Join(err, engines(), <-served)
	}
	go func() {
		err := errors.Join(f.Run(ctx), engines(), collect())
		noOrders()
		f.end(errors.Join(err, <-served))
	}()
	select {
	case <-up:
		f.doors.check(ctx, cfg.Fleet, f.Status(), cfg.tell)
		return f, nil
	case <-f.Done():
		err := f.Wait()
		switch {
		case ctx.Err() != nil:
			err = ErrInterrupted // what failed, failed because of that
		case err == nil:
			err = ErrEnded
		}
		return nil, err
	}
}

// prepare makes the supervisor, which closes up when everything is ready, and starts the
// engines that run beside it. stop ends those.
func (f *Fleet) prepare(ctx context.Context, cfg *Config, up chan struct{}) (stop func() error, err error) {
	if err := preflight.Ports(cfg.Fleet); err != nil {
		return nil, err
	}
	if cfg.Program == "" {
		if cfg.Program, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	if err := cfg.write(f.ControlURL); err != nil {
		return nil, err
	}
	told, err := cfg.supervisor(f.ControlURL)
	if err != nil {
		return nil, err
	}
	told.Events = func(e event.Event) {
		cfg.tell(e)
		if e.Kind == event.FleetReady {
			close(up)
		}
	}
	applied := told.Applied
	told.Applied = func(ctx context.Context, next *fleet.Fleet) error {
		err := applied(ctx, next)
		f.doors.check(ctx, next, f.Status(), cfg.tell)
		return err
	}
	if f.Supervisor, err = supervise.New(told); err != nil {
		return nil, err
	}
	if !cfg.Single {
		return func() error { return nil }, nil
	}
	return cfg.startEngines(ctx)
}

// oneAtATime has Events called so: the supervisor tells of events, and so do we.
func (cfg *Config) oneAtATime() {
	var mu sync.Mutex
	events := cfg.Events
	cfg.tell = func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		if events != nil {
			events(e)
		}
	}
}

// stopWithin bounds the end of a fleet: drains and grace times are much shorter.
const stopWithin = time.Minute

// Stop ends the fleet and returns when nothing of it is left.
func (f *Fleet) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return errors.Join(f.Down(ctx), f.Wait())
}

// life is the end of something that runs.
type life struct {
	over chan struct{}
	err  error // set before over is closed
}

func newLife() *life { return &life{over: make(chan struct{})} }

func (l *life) end(err error) {
	l.err = err
	close(l.over)
}

// Done is closed when it has ended and nothing of it is left.
func (l *life) Done() <-chan struct{} { return l.over }

// Wait waits for that and returns why it ended; nil when that was ordered.
func (l *life) Wait() error {
	<-l.over
	return l.err
}

// supervisor says what the supervisor is to run.
func (cfg *Config) supervisor(controlURL string) (supervise.Config, error) {
	// No connection is kept: one that a pool opened and had no use for would hold up
	// the end of control for five seconds (see http.Server.Shutdown).
	registry, err := discovery.NewClient(discovery.ClientConfig{URL: controlURL, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		return supervise.Config{}, err
	}
	edge := admin.NewClient(ctl.Socket(cfg.Dir, edgeSocket))
	told := supervise.Config{
		Fleet: cfg.Fleet, Dir: cfg.Dir, Guardian: []string{cfg.Program, "engine", "guardian"},
		RegistryURL: controlURL, Registry: registry, Edge: edge, Telemetry: cfg.telemetryURL(),
		BusURL: busURL(cfg.Fleet), EventsURL: eventsURL(cfg.Fleet),
		Load: cfg.reload(), Watch: cfg.Watch,
		Applied: func(ctx context.Context, f *fleet.Fleet) error {
			doc, err := document(f)
			if err == nil {
				err = edge.SetDocument(ctx, doc)
			}
			return errors.Join(err, edge.SetTCP(ctx, connections(f)), cfg.setCalls(ctx, registry, f), cfg.subscribe(ctx, f))
		},
	}
	if !cfg.Single {
		told.Engines = cfg.engines()
	}
	return told, nil
}

// reload is Load of a fleet whose engines run already: those that may listen anywhere
// stay where they are.
func (cfg *Config) reload() func() (*fleet.Fleet, error) {
	if cfg.Load == nil {
		return nil
	}
	return func() (*fleet.Fleet, error) {
		f, err := cfg.Load()
		if err != nil {
			return nil, err
		}
		has := cfg.Fleet
		for _, port := range []struct {
			says *int
			is   int
		}{{&f.Edge.Port, has.Edge.Port}, {&f.Control.Port, has.Control.Port}, {&f.Broker.Port, has.Broker.Port}, {&f.Broker.HTTP, has.Broker.HTTP}} {
			if *port.says == 0 {
				*port.says = port.is
			}
		}
		if f.Edge.TLS != nil && f.Edge.TLS.Port == 0 && has.Edge.TLS != nil {
			f.Edge.TLS.Port = has.Edge.TLS.Port
		}
		return f, nil
	}
}

// state returns a path in the folder .muster.
func (cfg *Config) state(name string) string {
	return filepath.Join(cfg.Dir, supervise.Folder, name)
}

func loopback(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }
