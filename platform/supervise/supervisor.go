package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/build"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/guard"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/platform/supervise/plan"
	"github.com/musterdev/muster/platform/supervise/ports"
	"github.com/musterdev/muster/platform/supervise/process"
	"github.com/musterdev/muster/platform/supervise/watch"
)

// Phase is where a whole fleet stands.
type Phase string

// The phases of a fleet.
const (
	Starting Phase = "starting"
	Ready    Phase = "ready" // everything was ready at once; single services may not be now
	Stopping Phase = "stopping"
)

// ErrNotReady is returned for orders to a fleet that is not up yet, or no more.
var ErrNotReady = errors.New("the fleet is not up: wait until it is ready")

// Supervisor runs a fleet. Its methods may be called concurrently.
type Supervisor struct {
	cfg   Config
	ports *ports.Pool
	book  *logs.Book

	// Set by Run before anything is started, never changed after.
	guard   *guard.Guard
	starter *process.Starter
	builder *build.Builder
	began   time.Time

	ctx     context.Context //nolint:containedctx // it is the fleet's own life: ends when that is to stop
	cancel  context.CancelCauseFunc
	over    chan struct{} // closed when Run returns
	wasUp   chan struct{} // closed when everything was ready once
	tasks   sync.WaitGroup
	upgrade sync.Mutex    // one upgrade at a time
	reading chan struct{} // holds a token while nobody reloads
	emits   sync.Mutex

	mu       sync.Mutex
	phase    Phase
	running  bool // Run was called
	fleet    *fleet.Fleet
	services map[string]*service
	engines  []*instance.Instance // as Config.Engines
	leaving  []*instance.Instance // engines whose place was taken
	again    map[string]int       // how often one was upgraded, by name
	peers    map[string]fleet.Address
	watcher  *watch.Watcher
}

// New returns a Supervisor that has not started anything.
func New(cfg Config) (*Supervisor, error) {
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.state("data"), 0o700); err != nil {
		return nil, fmt.Errorf("make the fleet's folder: %w", err)
	}
	book, err := logs.NewBook(cfg.state("logs"))
	if err != nil {
		return nil, err
	}
	s := &Supervisor{
		cfg: cfg, ports: ports.NewPool(), book: book, phase: Starting, fleet: cfg.Fleet,
		over: make(chan struct{}), reading: make(chan struct{}, 1), wasUp: make(chan struct{}),
		services: map[string]*service{}, again: map[string]int{}, peers: map[string]fleet.Address{},
	}
	s.reading <- struct{}{}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// errDown is why the context ends when somebody ordered it.
var errDown = errors.New("the fleet was told to stop")

// Run starts everything and keeps it alive until ctx ends or Down is called; then
// it stops everything and returns nil. When something fails before all was ready
// once, it stops everything and returns why: an *instance.Failure, a *build.Error,
// a *ports.TakenError or another. Run can be called once.
func (s *Supervisor) Run(ctx context.Context) error {
	s.mu.Lock()
	again := s.running
	s.running, s.began = true, time.Now()
	s.mu.Unlock()
	if again {
		return errors.New("supervise: Run was called before")
	}
	defer close(s.over)
	stop := context.AfterFunc(ctx, func() { s.cancel(errDown) })
	defer stop()
	defer s.cancel(nil)

	if err := s.checkPorts(); err != nil {
		return err
	}
	g, err := guard.Start(guard.Config{
		Command: s.cfg.Guardian, Env: s.cfg.Env, Log: s.cfg.Log,
		Replaced: func(pid int) {
			s.emit(event.Event{Kind: event.Guardian, PID: pid, Detail: "was replaced: the one before had ended"})
		},
	})
	if err != nil {
		return err
	}
	defer g.Close()
	s.guard, s.starter = g, process.NewStarter(g)
	defer s.starter.Close()
	s.builder = &build.Builder{Starter: s.starter, Dir: s.cfg.state("bin"), Env: s.cfg.Env}

	s.watch()
	err = s.up()
	if err == nil {
		close(s.wasUp)
		s.follow()
		<-s.ctx.Done()
	}
	s.shutdown()
	if errors.Is(context.Cause(s.ctx), errDown) {
		return nil
	}
	return err
}

// Down stops the fleet and returns when it has stopped.
func (s *Supervisor) Down(ctx context.Context) error {
	s.cancel(errDown)
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if !running {
		return nil
	}
	select {
	case <-s.over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// checkPorts refuses to start anything when a port that cannot be chosen is taken.
func (s *Supervisor) checkPorts() error {
	var fixed []ports.Fixed
	for _, e := range s.cfg.Engines {
		if e.Port != 0 {
			fixed = append(fixed, ports.Fixed{Port: e.Port, Who: e.Name, Setting: e.Setting})
		}
	}
	for _, f := range append(fixed, plan.Ports(s.fleet)...) {
		if err := ports.Check(f); err != nil {
			return err
		}
	}
	return nil
}

// shutdown ends everything: first who lets requests in, then the services, then
// the rest.
func (s *Supervisor) shutdown() {
	s.cancel(nil) // those who wait for a failed start stop waiting
	s.mu.Lock()
	s.phase = Stopping
	engines, leaving, watcher := slices.Clone(s.engines), slices.Clone(s.leaving), s.watcher
	s.mu.Unlock()
	services := s.snapshot()
	s.emit(event.Event{Kind: event.FleetStopping})
	if watcher != nil {
		watcher.Close()
	}
	var front, back []*instance.Instance
	for i, e := range engines {
		if s.cfg.Engines[i].Front {
			front = append(front, e)
		} else {
			back = append(back, e)
		}
	}
	stopAll(append(front, leaving...))
	var all []*instance.Instance
	for _, svc := range services {
		all = append(all, svc.close()...)
	}
	stopAll(all)
	for _, svc := range services {
		<-svc.turn // nobody gives it back: orders that still come end with the context
	}
	s.tasks.Wait()
	stopAll(back)
}

// stopAll ends instances together and waits for their ends.
func stopAll(all []*instance.Instance) {
	var ends sync.WaitGroup
	for _, i := range all {
		ends.Go(func() {
			i.Stop()
			<-i.Done()
		})
	}
	ends.Wait()
}

// emit tells of an event, one at a time.
func (s *Supervisor) emit(e event.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	s.emits.Lock()
	defer s.emits.Unlock()
	s.cfg.Log.Debug("event", "event", e)
	if s.cfg.Events != nil {
		s.cfg.Events(e)
	}
}
