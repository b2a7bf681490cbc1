package supervise

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// replaceAll replaces, one after another, the instances that are older than what
// counts now. A service that had a ready instance has one all the time.
func (s *service) replaceAll(ctx context.Context) error {
	began := time.Now()
	s.emit(event.Event{Kind: event.Replacing})
	for _, r := range s.instances() {
		s.mu.Lock()
		stale := r.version != s.version
		s.mu.Unlock()
		if !stale {
			continue
		}
		if err := s.replaceOne(ctx, r); err != nil {
			return err
		}
	}
	s.emit(event.Event{Kind: event.Replaced, After: time.Since(began)})
	return nil
}

// replaceOne surges: the new instance is ready before the old one drains.
func (s *service) replaceOne(ctx context.Context, old *replica) error {
	if old.pinned {
		return s.replacePinned(ctx, old)
	}
	if _, err := s.bringOne(ctx); err != nil {
		return fmt.Errorf("%s runs on: %w", old.ID(), err)
	}
	return s.retire(ctx, old)
}

// replacePinned replaces an instance whose port the new one must have: the old one
// has to end first. When it is the only one, another stands in for it meanwhile,
// at a port of its own, so that there is no gap for those who ask the registry or
// the edge. A program that cannot choose its port has a gap.
func (s *service) replacePinned(ctx context.Context, old *replica) error {
	if !fixed(old.spec) && !s.otherReady(old) {
		standIn, err := s.bringOne(ctx)
		if err != nil {
			return fmt.Errorf("%s runs on: %w", old.ID(), err)
		}
		defer func() { _ = s.retire(ctx, standIn) }() // fails only when the fleet ends
	}
	if err := s.retire(ctx, old); err != nil {
		return err
	}
	_, err := s.bringOne(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return s.startAgain(ctx, old, err)
}

// startAgain starts an instance from what an ended one was started from, as its
// replacement failed, and adds to that failure what came of it. It may not become ready
// either: a script is what its files are now, and those may be what is broken.
func (s *service) startAgain(ctx context.Context, old *replica, failure error) error {
	s.mu.Lock()
	back, err := s.start(old.spec, old.program, old.version, false)
	s.mu.Unlock()
	switch {
	case err != nil:
		return failure
	case back.FirstLife(ctx):
		return fmt.Errorf("%s was started again as %s and is ready: %w", old.ID(), back.ID(), failure)
	default:
		return fmt.Errorf("%s was started again as %s, which is not ready: %w", old.ID(), back.ID(), failure)
	}
}

// otherReady reports whether another instance serves.
func (s *service) otherReady(than *replica) bool {
	for _, r := range s.instances() {
		if r != than && r.Status().Phase == instance.Ready {
			return true
		}
	}
	return false
}
