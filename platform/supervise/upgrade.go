package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/supervise/instance"
)

// serveWithin bounds how long a new process of an engine may take until it serves.
const serveWithin = time.Minute

// errUpgrading is returned to who comes second.
var errUpgrading = errors.New("an upgrade is under way: wait until it is done")

// Upgrade puts a new process in the place of an engine that runs, from the binary at program,
// "" the one it was started from. It returns once the new one serves: the old one accepts
// nothing more then and goes on with what it has, up to its bound. When the new one does not
// come to serve, the old one stays, and the error says why.
func (s *Supervisor) Upgrade(ctx context.Context, name, program string) error {
	if !s.upgrade.TryLock() {
		return errUpgrading
	}
	defer s.upgrade.Unlock()
	n, old, err := s.engine(name)
	if err != nil {
		return err
	}
	e := s.cfg.Engines[n] // a copy
	if e.Succeed == nil {
		return fmt.Errorf("%s cannot be upgraded while it runs", name)
	}
	s.mu.Lock()
	s.again[name]++
	log := fmt.Sprintf("%s-%d", name, s.again[name]+1)
	s.mu.Unlock()
	if program != "" {
		e.Argv = append([]string{program}, e.Argv[1:]...)
	}
	plain := e
	e.Argv = slices.Concat(e.Argv, e.Succeed)
	old.MayFollow(true)
	fresh, err := s.runEngine(e, log)
	if err != nil {
		old.MayFollow(false)
		return err
	}
	if err := s.awaitServing(ctx, e, fresh); err != nil {
		fresh.Stop()
		<-fresh.Done()
		return errors.Join(fmt.Errorf("upgrade %s: %w", name, err), s.stay(ctx, n, plain, old, log))
	}
	s.place(n, fresh, old, e.Leaves)
	s.mu.Lock()
	s.cfg.Engines[n].Argv = plain.Argv
	s.mu.Unlock()
	return nil
}

// engine returns an engine that runs, and its number.
func (s *Supervisor) engine(name string) (int, *instance.Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != Ready {
		return 0, nil, ErrNotReady
	}
	for n, i := range s.engines {
		if i.ID() == name {
			return n, i, nil
		}
	}
	return 0, nil, fmt.Errorf("%w: there is no engine %q", ErrUnknown, name)
}

// awaitServing waits until a new process serves in the old one's place.
func (s *Supervisor) awaitServing(ctx context.Context, e Engine, fresh *instance.Instance) error {
	ctx, cancel := context.WithTimeoutCause(ctx, serveWithin, fmt.Errorf("the new process does not serve after %s", serveWithin))
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel) // the fleet ends
	defer stop()
	if err := fresh.Await(ctx); err != nil {
		return err
	}
	const often = 20 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	for !e.Serves(ctx, fresh.Status().PID) {
		select {
		case <-tick.C:
		case <-fresh.Done():
			return fresh.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// place makes fresh the engine with this number; the old one goes on for a while.
func (s *Supervisor) place(n int, fresh, old *instance.Instance, leaves time.Duration) {
	fresh.Settle()
	old.Leave(leaves)
	s.mu.Lock()
	s.engines = slices.Clone(s.engines) // Status reads the slice it was given
	s.engines[n] = fresh
	s.leaving = append(slices.Clone(s.leaving), old)
	s.mu.Unlock()
	s.tasks.Go(func() {
		<-old.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.leaving = slices.DeleteFunc(slices.Clone(s.leaving), func(i *instance.Instance) bool { return i == old })
	})
}

// stay makes sure that an engine runs after an upgrade that failed. The old process most
// often never heard of it. One that had handed over does not come back: another is started.
func (s *Supervisor) stay(ctx context.Context, n int, e Engine, old *instance.Instance, log string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if e.Serves(ctx, old.Status().PID) {
		old.MayFollow(false)
		return nil
	}
	fresh, err := s.runEngine(s.cfg.Engines[n], log+"-after")
	if err != nil {
		return fmt.Errorf("start it again: %w", err)
	}
	s.place(n, fresh, old, e.Leaves)
	return nil
}
