package supervise

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/platform/supervise/plan"
)

// Scale makes a service have n instances, 0 to fleet.MaxReplicas, and returns when
// it has: new ones ready, those that are too many drained and ended.
func (s *Supervisor) Scale(ctx context.Context, name string, n int) error {
	svc, err := s.service(name)
	if err != nil {
		return err
	}
	if n < 0 || n > fleet.MaxReplicas {
		return fmt.Errorf("scale %s to %d: the number of instances must be from 0 to %d", name, n, fleet.MaxReplicas)
	}
	if spec := svc.current(); n > 1 && fixed(spec) {
		return fmt.Errorf("scale %s to %d: its port is fixed in muster.yaml, so there can be one instance; remove \"port\"", name, n)
	}
	return svc.order(ctx, func(ctx context.Context) error { return svc.scale(ctx, n) })
}

// Replace replaces each instance of a service in turn by a new one from the same
// program, and returns when all are replaced.
func (s *Supervisor) Replace(ctx context.Context, name string) error {
	svc, err := s.service(name)
	if err != nil {
		return err
	}
	return svc.order(ctx, func(ctx context.Context) error {
		svc.outdate()
		return svc.replaceAll(ctx)
	})
}

// ReplaceInstance replaces one instance by a new one.
func (s *Supervisor) ReplaceInstance(ctx context.Context, id string) error {
	svc, _, err := s.find(id)
	if err != nil {
		return err
	}
	return svc.order(ctx, func(ctx context.Context) error {
		_, r, err := s.find(id) // it may have ended while others had their turn
		if err != nil {
			return err
		}
		return svc.replaceOne(ctx, r)
	})
}

// Kill kills an instance or an engine as if by accident, with all it started: it
// starts again by itself. Drills use it.
func (s *Supervisor) Kill(id string) error { return s.KillFor(id, 0) }

// KillFor is Kill, and the victim stays away for so long; 0 lets it start again as
// it would after an accident.
func (s *Supervisor) KillFor(id string, away time.Duration) error {
	s.mu.Lock()
	engines := slices.Clone(s.engines)
	s.mu.Unlock()
	var victim *instance.Instance
	if i := slices.IndexFunc(engines, func(e *instance.Instance) bool { return e.ID() == id }); i >= 0 {
		victim = engines[i]
	} else if _, r, err := s.find(id); err != nil {
		return err
	} else {
		victim = r.Instance
	}
	if !victim.Kill(away) {
		return fmt.Errorf("kill %s: it does not run", id)
	}
	return nil
}

// find returns an instance of a service by its id.
func (s *Supervisor) find(id string) (*service, *replica, error) {
	for _, svc := range s.snapshot() {
		for _, r := range svc.instances() {
			if r.ID() == id {
				return svc, r, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("%w: there is no instance %q now", ErrUnknown, id)
}

// outdate makes all instances older than what counts now.
func (s *service) outdate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
}

// Tail returns the last n lines that a service or engine printed, or all of them
// for "". It reaches back at most 500 lines each; the files reach further.
func (s *Supervisor) Tail(name string, n int) ([]logs.Line, error) {
	if err := s.printed(name); err != nil {
		return nil, err
	}
	return s.book.Tail(name, n), nil
}

// Follow returns the last n lines of a service or engine, or of all for "", and
// then each new one. The caller closes it.
func (s *Supervisor) Follow(name string, n int) (*logs.Follower, error) {
	if err := s.printed(name); err != nil {
		return nil, err
	}
	return s.book.Follow(name, n), nil
}

// printed returns an error for a name that cannot have printed anything.
func (s *Supervisor) printed(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := name == "" || s.services[name] != nil
	for _, e := range s.cfg.Engines {
		known = known || e.Name == name
	}
	if !known {
		return fmt.Errorf("%w: no service or engine is called %q", ErrUnknown, name)
	}
	return nil
}

// Environment returns the variables for one more instance of a service that the
// supervisor does not run: to start it in a debugger. Its ports are its own for as
// long as the fleet runs, and the same at each call.
func (s *Supervisor) Environment(name string) (map[string]string, error) {
	svc, err := s.service(name)
	if err != nil {
		return nil, err
	}
	svc.mu.Lock()
	defer svc.mu.Unlock()
	for _, port := range []*int{&svc.guest.Port, &svc.guest.GRPCPort} {
		if *port == 0 {
			if *port, err = s.ports.Take(); err != nil {
				return nil, err
			}
		}
	}
	facts := s.facts(name + "-guest")
	facts.Port, facts.GRPCPort = svc.guest.Port, svc.guest.GRPCPort
	return plan.Environment(s.current(), svc.spec, facts)
}
