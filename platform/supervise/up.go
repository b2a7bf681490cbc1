package supervise

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/plan"
)

// buildersAtOnce bounds how many services are built at the same time; each
// builder uses several processors itself.
const buildersAtOnce = 2

// up brings everything up once.
func (s *Supervisor) up() error {
	t := instance.NewTrial(s.ctx)
	defer t.Close()
	if err := s.setFleet(s.fleet); err != nil {
		return err
	}
	s.buildAll(t)
	for _, e := range s.cfg.Engines {
		i, err := s.startEngine(e)
		if err != nil {
			t.Fail(err)
			break
		}
		t.Watch(i)
	}
	if err := t.Wait(); err != nil {
		return err
	}
	for _, svc := range s.snapshot() {
		t.Go(func() {
			if err := svc.begin(t); err != nil {
				t.Fail(err)
			}
		})
	}
	if err := t.Wait(); err != nil {
		return err
	}
	if err := t.Settle(); err != nil {
		return err
	}
	s.mu.Lock()
	s.phase = Ready
	s.mu.Unlock()
	s.emit(event.Event{Kind: event.FleetReady, After: time.Since(s.began)})
	return nil
}

// buildAll builds all services, while the engines start.
func (s *Supervisor) buildAll(t *instance.Trial) {
	slots := make(chan struct{}, buildersAtOnce)
	for _, svc := range s.snapshot() {
		t.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if _, err := svc.build(t.Context()); err != nil {
				t.Fail(err)
			}
		})
	}
}

func (s *Supervisor) startEngine(e Engine) (*instance.Instance, error) {
	i, err := s.runEngine(e, e.Name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engines = append(s.engines, i)
	return i, nil
}

// runEngine starts a process of an engine, which prints into the log of this name.
func (s *Supervisor) runEngine(e Engine, log string) (*instance.Instance, error) {
	cfg := instance.Config{
		ID: e.Name, Service: e.Name, Engine: true, Trial: true,
		Ready: instance.Probe{Target: e.Ready}, Live: instance.Probe{Target: e.Live, Every: engineLiveEvery}, Grace: e.Grace, Timing: s.cfg.Timing,
		Starter: s.starter, Events: s.emit,
	}
	cfg.Spec.Argv, cfg.Spec.Dir = e.Argv, e.Dir
	cfg.Spec.Env = append(slices.Clone(s.cfg.Env), e.Env...)
	if e.Told != nil {
		s.mu.Lock()
		peers := maps.Clone(s.peers)
		s.mu.Unlock()
		told, err := e.Told(peers)
		if err != nil {
			return nil, err
		}
		cfg.Spec.Env = append(cfg.Spec.Env, told...)
	}
	if e.Port != 0 {
		cfg.Record.Endpoints = map[string]string{discovery.HTTP: plan.Local(e.Port)}
	}
	var err error
	if cfg.Log, err = s.book.Open(e.Name, log); err != nil {
		return nil, err
	}
	return instance.Start(cfg), nil
}

// setFleet makes f the fleet that counts: services it has for the first time come
// into being, without instances, and those that others refer to get their ports.
func (s *Supervisor) setFleet(f *fleet.Fleet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet = f
	for _, spec := range f.Services {
		if s.services[spec.Name] == nil {
			s.services[spec.Name] = newService(s, spec)
		}
		if !spec.StablePort && !fixed(spec) {
			continue
		}
		at := s.peers[spec.Name]
		at.Host = "127.0.0.1"
		for port, says := range map[*int]int{&at.Port: spec.Port, &at.GRPCPort: spec.GRPCPort} {
			if says != 0 {
				*port = says
			} else if *port == 0 {
				n, err := s.ports.Take() // kept for good: others have been told
				if err != nil {
					return err
				}
				*port = n
			}
		}
		s.peers[spec.Name] = at
	}
	return nil
}

// snapshot returns the services there are now, by name.
func (s *Supervisor) snapshot() []*service {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*service
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		all = append(all, s.services[name])
	}
	return all
}

// service returns a service by its name, once the fleet is up.
func (s *Supervisor) service(name string) (*service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != Ready {
		return nil, ErrNotReady
	}
	if svc := s.services[name]; svc != nil {
		return svc, nil
	}
	return nil, fmt.Errorf("%w: %q; the fleet has %v", ErrUnknown, name, slices.Sorted(maps.Keys(s.services)))
}

// ErrUnknown is returned for a service or an instance that the fleet has not.
var ErrUnknown = errors.New("unknown name")
