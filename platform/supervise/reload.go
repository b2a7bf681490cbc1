package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/plan"
)

// Reload makes the fleet be as next says: services that are new start, those that
// are gone end, those that changed are replaced, those that only have more or fewer
// instances are scaled; the others are not touched. Its error tells every service
// that could not be brought up to date; the rest is.
func (s *Supervisor) Reload(ctx context.Context, next *fleet.Fleet) error {
	return s.reread(ctx, func() (*fleet.Fleet, error) { return next, nil })
}

// errRefused is in the error of a reading that could not be used.
var errRefused = errors.New("the old fleet runs on")

// reread reads the fleet again and makes it so. One reading is carried out after
// the other, so that the last one counts.
func (s *Supervisor) reread(ctx context.Context, read func() (*fleet.Fleet, error)) error {
	select {
	case <-s.reading:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { s.reading <- struct{}{} }()
	s.mu.Lock()
	before, phase := s.fleet, s.phase
	s.mu.Unlock()
	if phase != Ready {
		return ErrNotReady
	}
	next, err := read()
	if err != nil {
		return fmt.Errorf("%w\n%w", err, errRefused)
	}
	changes := fleet.Diff(before, next)
	began := time.Now()
	if err := s.setFleet(next); err != nil {
		return err
	}
	err = s.apply(ctx, next, changes)
	if s.cfg.Applied != nil {
		if told := s.cfg.Applied(ctx, next); told != nil {
			s.emit(event.Event{Kind: event.Failed, Detail: told.Error()})
			err = errors.Join(err, told)
		}
	}
	err = errors.Join(err, s.remove(ctx, changes.Removed))
	if err == nil { // what failed was told
		s.emit(event.Event{Kind: event.FleetReloaded, After: time.Since(began), Detail: plan.Summary(changes)})
	}
	return err
}

// apply starts, scales and replaces, all services at the same time.
func (s *Supervisor) apply(ctx context.Context, next *fleet.Fleet, changes fleet.Changes) error {
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		failed []error // guarded by mu
	)
	todo := map[string]func(*service, context.Context) error{}
	for _, name := range changes.Added {
		todo[name] = (*service).join
	}
	for _, c := range changes.Changed {
		todo[c.Service] = func(svc *service, ctx context.Context) error { return svc.change(ctx, c) }
	}
	for _, sc := range changes.Scaled {
		s.adopt(next, sc.Service).wants(sc.To)
	}
	for _, svc := range s.snapshot() { // what failed the last time is tried again
		if _, stays := next.Service(svc.name); stays && todo[svc.name] == nil && svc.behind() {
			todo[svc.name] = (*service).renewAll
		}
	}
	for name, do := range todo {
		svc := s.adopt(next, name)
		all.Go(func() {
			if err := svc.order(ctx, func(ctx context.Context) error { return do(svc, ctx) }); err != nil {
				svc.failed(err)
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// adopt makes what next says of a service count for what is started from now on.
func (s *Supervisor) adopt(next *fleet.Fleet, name string) *service {
	s.mu.Lock()
	svc := s.services[name] // setFleet made those that were missing
	s.mu.Unlock()
	svc.mu.Lock()
	defer svc.mu.Unlock()
	svc.spec, _ = next.Service(name)
	return svc
}

// wants sets how many instances the service should have, and does nothing about it.
func (s *service) wants(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = n
}

// join starts a service that is new in a running fleet. Unlike at the first start
// it is tried again and again when it fails.
func (s *service) join(ctx context.Context) error {
	_, err := s.build(ctx)
	s.follow(ctx) // what cannot be built is mended, and then started
	if err != nil {
		return err
	}
	var replicas []*replica
	for range s.current().Replicas {
		r, err := s.launch(false)
		if err != nil {
			return err
		}
		replicas = append(replicas, r)
	}
	within := s.current().Ready.Within
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("service %q was not ready within %v; it is tried again and again, see muster logs %s", s.name, within, s.name))
	defer cancel()
	for _, r := range replicas {
		if err := r.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// change brings a service up to date with its description.
func (s *service) change(ctx context.Context, c fleet.Change) error {
	if c.Restart {
		s.outdate()
	}
	if slices.ContainsFunc(c.Keys, func(key string) bool { return key == "run" || key == "build" || key == "dir" }) {
		if _, err := s.build(ctx); err != nil {
			return err
		}
	}
	if len(c.Keys) > 0 {
		s.follow(ctx)
	}
	return s.renewAll(ctx)
}

// renewAll makes the service have as many instances as it should, all of them up to date.
func (s *service) renewAll(ctx context.Context) error {
	s.mu.Lock()
	want := s.want
	s.mu.Unlock()
	if err := s.scale(ctx, want); err != nil {
		return err
	}
	if s.stale() {
		return s.replaceAll(ctx)
	}
	return nil
}

// stale reports whether instances run that are older than what counts now.
func (s *service) stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.replicas, func(r *replica) bool { return r.version != s.version })
}

// behind reports whether the service is not as it should be.
func (s *service) behind() bool {
	s.mu.Lock()
	short := len(s.replicas) != s.want
	s.mu.Unlock()
	return short || s.stale()
}

// remove ends services for good.
func (s *Supervisor) remove(ctx context.Context, names []string) error {
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		svc, err := s.service(name)
		if err != nil {
			continue
		}
		all.Go(func() {
			errs[i] = svc.order(ctx, func(ctx context.Context) error {
				svc.mu.Lock()
				svc.want = 0
				n := len(svc.replicas)
				svc.mu.Unlock()
				svc.unfollow()
				err := svc.drop(ctx, n)
				svc.close() // orders that still wait for their turn find nothing to do
				return err
			})
			if errs[i] != nil {
				return
			}
			s.mu.Lock()
			delete(s.services, name)
			s.mu.Unlock()
			svc.emit(event.Event{Kind: event.Removed})
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
