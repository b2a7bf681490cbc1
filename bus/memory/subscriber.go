package memory

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/musterdev/muster/bus"
)

type subscriber struct {
	broker *Broker
	group  *group
	left   bool
}

// Subscribe joins a group; see bus.Broker.
func (b *Broker) Subscribe(ctx context.Context, s bus.Subscription) (bus.Subscriber, error) {
	s, err := s.Normalized()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	g := b.groups[s.Group]
	if g == nil {
		g = &group{name: s.Group, topics: s.Topics, lanes: map[string]*lane{}}
		b.groups[s.Group] = g
		if !s.Latest {
			for _, e := range b.log {
				g.offer(e)
			}
		}
	} else {
		both, err := bus.Subscription{Group: s.Group, Topics: append(s.Topics, g.topics...)}.Normalized()
		if err != nil {
			return nil, err
		}
		g.topics = both.Topics
	}
	sub := &subscriber{broker: b, group: g}
	b.subscribers = append(b.subscribers, sub)
	return sub, nil
}

// Receive returns what there is; see bus.Subscriber.
func (s *subscriber) Receive(ctx context.Context, most int) ([]bus.Delivery, error) {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if s.left {
			return nil, bus.ErrClosed
		}
		if err := b.ready(ctx); err != nil {
			return nil, err
		}
		if s.left {
			return nil, bus.ErrClosed
		}
		if out := s.group.deliver(s, max(most, 1)); len(out) > 0 {
			return out, nil
		}
		var next time.Time
		if len(s.group.heads) > 0 {
			next = s.group.heads[0].at
		}
		b.wait(ctx, next)
	}
}

// Settle applies verdicts; see bus.Subscriber.
func (s *subscriber) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.left {
		return bus.ErrClosed
	}
	if err := b.ready(ctx); err != nil {
		return err
	}
	var errs []error
	for _, v := range verdicts {
		errs = append(errs, s.group.settle(v))
	}
	b.changed()
	return errors.Join(errs...)
}

// Lag returns how far the group is behind.
func (s *subscriber) Lag(ctx context.Context) (bus.Lag, error) {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.left {
		return bus.Lag{}, bus.ErrClosed
	}
	if err := s.broker.ready(ctx); err != nil {
		return bus.Lag{}, err
	}
	lag, _ := s.group.lag()
	return lag, nil
}

// Close leaves the group.
func (s *subscriber) Close() error {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	s.leave()
	b.subscribers = slices.DeleteFunc(b.subscribers, func(o *subscriber) bool { return o == s })
	b.changed()
	return nil
}

// leave gives back what the member has. The lock is held.
func (s *subscriber) leave() {
	s.left = true
	s.group.forget(func(e *entry) bool { return e.owner == s })
}

// copied returns a message that shares nothing with the one in store.
func copied(m bus.Msg) bus.Msg {
	m.Extensions, m.Data = maps.Clone(m.Extensions), slices.Clone(m.Data)
	return m
}
