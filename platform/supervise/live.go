package supervise

import (
	"context"
	"errors"

	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/watch"
)

// fleetFiles is the name under which the fleet's own files are watched. No service
// can have it.
const fleetFiles = "/"

// watch begins to watch the fleet's own files, before anything starts: what is
// written while the fleet comes up is carried out when it is up.
func (s *Supervisor) watch() {
	if s.cfg.Load == nil && !s.cfg.Watch {
		return
	}
	w, err := watch.New(s.touched)
	if err != nil {
		s.emit(event.Event{Kind: event.WatchOff, Detail: err.Error()})
		return
	}
	s.mu.Lock()
	s.watcher = w
	s.mu.Unlock()
	s.followFleet()
}

// follow begins to watch what the services are made from. Finding that out takes a
// while and goes on in the background.
func (s *Supervisor) follow() {
	if !s.cfg.Watch {
		return
	}
	s.tasks.Go(func() {
		for _, svc := range s.snapshot() {
			if s.ctx.Err() == nil {
				svc.follow(s.ctx)
			}
		}
	})
}

// followFleet watches the files that were read last.
func (s *Supervisor) followFleet() {
	w := s.files()
	if s.cfg.Load == nil || w == nil {
		return
	}
	if err := w.Set(fleetFiles, watch.Files(s.current().Files...)); err != nil {
		s.emit(event.Event{Kind: event.WatchOff, Detail: err.Error()})
	}
}

// follow watches the files that the service is made from.
func (s *service) follow(ctx context.Context) {
	w := s.sup.files()
	if w == nil || !s.sup.cfg.Watch {
		return
	}
	places, err := s.sup.builder.Sources(ctx, s.sup.current(), s.current())
	if err == nil {
		err = w.Set(s.name, places)
	}
	if err != nil && ctx.Err() == nil {
		s.emit(event.Event{Kind: event.WatchOff, Detail: event.Explain(err)})
	}
}

func (s *service) unfollow() {
	if w := s.sup.files(); w != nil {
		w.Remove(s.name)
	}
}

// files returns what watches files; nil before the fleet starts, or when nothing is watched.
func (s *Supervisor) files() *watch.Watcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watcher
}

// touched is called, on a goroutine of its own, when files changed.
func (s *Supervisor) touched(name string) {
	if name != fleetFiles {
		if svc, err := s.service(name); err == nil {
			svc.touched()
		}
		return
	}
	select {
	case <-s.wasUp:
	case <-s.ctx.Done():
		return
	}
	err := s.reread(s.ctx, s.cfg.Load)
	if errors.Is(err, errRefused) {
		s.emit(event.Event{Kind: event.FleetRefused, Detail: err.Error()})
	}
	s.followFleet() // others may be included now
}

// touched rebuilds and replaces the service. Changes that come while it waits for
// its turn are covered by it.
func (s *service) touched() {
	select {
	case s.dirty <- struct{}{}:
	default:
		return
	}
	err := s.order(s.sup.ctx, func(ctx context.Context) error {
		<-s.dirty
		return s.renew(ctx)
	})
	if err != nil {
		s.failed(err)
	}
}

// renew makes the service anew from its changed files. What cannot be built or
// does not become ready leaves the old instances running.
func (s *service) renew(ctx context.Context) error {
	s.emit(event.Event{Kind: event.Changed})
	changed, err := s.build(ctx)
	if err != nil {
		return err
	}
	spec := s.current()
	if spec.GoPackage != "" {
		s.follow(ctx) // it may be made from other packages now
		if !changed && !s.stale() {
			return nil
		}
	} else {
		s.outdate()
	}
	if err := s.renewAll(ctx); err != nil {
		return err
	}
	used := []string{}
	s.mu.Lock()
	for _, r := range s.replicas {
		used = append(used, r.program)
	}
	used = append(used, s.program)
	s.mu.Unlock()
	s.sup.builder.Prune(s.name, used...)
	return nil
}
