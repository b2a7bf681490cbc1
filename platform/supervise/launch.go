package supervise

import (
	"fmt"
	"maps"
	"slices"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/plan"
)

// launch starts one more instance from what counts now.
func (s *service) launch(trial bool) (*replica, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start(s.spec, s.program, s.version, trial)
}

// start starts one more instance; the lock is held.
func (s *service) start(spec fleet.Service, program string, version int, trial bool) (*replica, error) {
	if s.closed {
		return nil, ErrNotReady
	}
	r := &replica{spec: spec, program: program, version: version, gone: make(chan struct{})}
	facts, err := s.place(r)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.name, err)
	}
	cfg, err := s.describe(r, facts)
	if err != nil {
		s.sup.ports.Free(r.ports...)
		return nil, err
	}
	if cfg.Log, err = s.sup.book.Open(s.name, facts.ID); err != nil {
		s.sup.ports.Free(r.ports...)
		return nil, err
	}
	cfg.Trial = trial
	r.Instance = instance.Start(cfg)
	s.replicas = append(s.replicas, r)
	s.sup.tasks.Go(func() {
		<-r.Done()
		s.sup.ports.Free(r.ports...)
		s.forget(r)
		close(r.gone)
	})
	return r, nil
}

func (s *service) forget(r *replica) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas = slices.DeleteFunc(s.replicas, func(other *replica) bool { return other == r })
}

// place gives an instance its name and its ports. The first instance of a service
// to which others refer by address gets that address, as does the only one of a
// program that cannot choose.
func (s *service) place(r *replica) (fleet.Instance, error) {
	s.last++
	facts := s.sup.facts(fmt.Sprintf("%s-%d", s.name, s.last))
	taken := slices.ContainsFunc(s.replicas, func(other *replica) bool { return other.pinned })
	if (r.spec.StablePort || fixed(r.spec)) && !taken {
		r.pinned = true
		facts.Port, facts.GRPCPort = facts.Peers[s.name].Port, facts.Peers[s.name].GRPCPort
	}
	for _, port := range []*int{&facts.Port, &facts.GRPCPort} {
		if *port != 0 {
			continue
		}
		n, err := s.sup.ports.Take()
		if err != nil {
			return facts, err
		}
		*port = n
		r.ports = append(r.ports, n)
	}
	return facts, nil
}

// fixed reports whether the file says a port of the program.
func fixed(spec fleet.Service) bool { return spec.Port != 0 || spec.GRPCPort != 0 }

// describe says how the instance is started, asked and registered.
func (s *service) describe(r *replica, facts fleet.Instance) (instance.Config, error) {
	sup := s.sup
	cfg, err := plan.Instance(sup.current(), r.spec, facts, r.program, sup.cfg.Env)
	cfg.Timing, cfg.Starter, cfg.Events = sup.cfg.Timing, sup.starter, sup.emit
	cfg.Registry, cfg.Edge = sup.cfg.Registry, sup.cfg.Edge
	return cfg, err
}

func (s *Supervisor) current() *fleet.Fleet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fleet
}

// facts returns what every instance is told.
func (s *Supervisor) facts(id string) fleet.Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fleet.Instance{
		ID: id, Dir: s.cfg.Dir, Peers: maps.Clone(s.peers),
		RegistryURL: s.cfg.RegistryURL, BusURL: s.cfg.BusURL, EventsURL: s.cfg.EventsURL, Telemetry: s.cfg.Telemetry,
	}
}
