package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"
)

// subscriber is one member of a group.
type subscriber struct {
	broker *broker
	bus.Subscription
	owners []string

	news  chan struct{} // of 1: something is ready
	stop  context.CancelFunc
	lanes sync.WaitGroup

	mu     sync.Mutex
	ready  []*receipt     // not given out
	held   map[string]int // lanes that are held, by owner
	crowd  map[string]int // members of the group, by owner; 0: not known
	closed bool
}

// receipt is a delivery's place in its lane.
type receipt struct {
	*session
	bus.Delivery
	offset  int64
	touched time.Time // when its lease began; zero: it was not given out. subscriber.mu
}

// Subscribe has the group's queues be there, joins it, and returns when every lane's
// member knows, so that none passes over a topic that this one adds. It waits for a
// broker that is away until ctx ends.
func (b *broker) Subscribe(ctx context.Context, want bus.Subscription) (bus.Subscriber, error) {
	want, err := want.Normalized()
	if err != nil {
		return nil, err
	}
	s := &subscriber{broker: b, Subscription: want, news: make(chan struct{}, 1), held: map[string]int{}, crowd: map[string]int{}}
	for _, t := range want.Topics {
		s.owners = append(s.owners, wire.OwnerOf(t))
	}
	s.owners = slices.Compact(slices.Sorted(slices.Values(s.owners)))
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		stop()
		return nil, bus.ErrClosed
	}
	b.members[s] = struct{}{}
	b.mu.Unlock()
	started := false
	err = b.insist(ctx, func(ctx context.Context, l *link) error {
		for _, owner := range s.owners {
			if err := l.declare(ctx, owner); err != nil {
				return err
			}
			if err := l.enlist(ctx, owner, s.Group); err != nil {
				return err
			}
		}
		return s.tell(ctx, l, wire.KindJoin, wire.Join{Topics: s.Topics, Latest: s.Latest}, func() {
			if !started { // by now the lanes' queues hold what the group begins with
				started = s.start(living)
			}
		}, func([]byte) error { return nil })
	})
	if err != nil {
		_ = s.Close() // has no error
		return nil, err
	}
	return s, nil
}

// start has the member take part.
func (s *subscriber) start(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	for _, owner := range s.owners {
		s.lanes.Go(func() { s.attend(ctx, owner) })
		for n := range Lanes {
			s.lanes.Go(func() { s.serve(ctx, owner, n) })
		}
	}
	return true
}

// Receive returns what is ready.
func (s *subscriber) Receive(ctx context.Context, most int) ([]bus.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, bus.ErrClosed
		}
		n := min(max(most, 1), len(s.ready))
		got := slices.Clone(s.ready[:n])
		s.ready = slices.Delete(s.ready, 0, n)
		now := time.Now()
		for _, r := range got {
			r.touched = now
		}
		s.mu.Unlock()
		if len(got) > 0 {
			deliveries := make([]bus.Delivery, len(got))
			for i, r := range got {
				deliveries[i] = r.Delivery
				r.poke()
			}
			return deliveries, nil
		}
		select {
		case <-s.news:
		case <-ctx.Done():
		}
	}
}

// wake has Receive look again.
func (s *subscriber) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Settle tells the lanes, all at a time, and returns when each has its new place
// confirmed by the broker. One whose lease or connection has ended is an error: the
// message comes again.
func (s *subscriber) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	errs := make([]error, len(verdicts))
	var settling sync.WaitGroup
	for i, v := range verdicts {
		if i == len(verdicts)-1 {
			errs[i] = s.settle(ctx, v)
			continue
		}
		settling.Go(func() { errs[i] = s.settle(ctx, v) })
	}
	settling.Wait()
	return errors.Join(errs...)
}

func (s *subscriber) settle(ctx context.Context, v bus.Verdict) error {
	r, ok := v.Delivery.Receipt.(*receipt)
	if !ok || r.member != s {
		return fmt.Errorf("rabbitmq: the delivery %s was not received here", v.Delivery.ID)
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return bus.ErrClosed
	}
	c := command{receipt: r, verdict: v, done: make(chan error, 1)}
	select {
	case r.commands <- c:
	case <-r.over:
		return bus.ErrLeaseLost
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		return err
	case <-r.over:
		select {
		case err := <-c.done:
			return err
		default:
			return fmt.Errorf("rabbitmq: the verdict was not confirmed: %w", errAway)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Lag asks who holds the lanes.
func (s *subscriber) Lag(ctx context.Context) (bus.Lag, error) {
	var lag bus.Lag
	err := s.broker.insist(ctx, func(ctx context.Context, l *link) error {
		lag = bus.Lag{}
		return s.tell(ctx, l, wire.KindAsk, struct{}{}, func() {}, func(answer []byte) error {
			var st wire.Standing
			if err := json.Unmarshal(answer, &st); err != nil {
				return fmt.Errorf("rabbitmq: a member's answer cannot be read: %w", err)
			}
			lag.Messages += st.Messages
			lag.Oldest = max(lag.Oldest, time.Duration(st.Oldest)*time.Millisecond)
			return nil
		})
	})
	return lag, err
}

// Close leaves the group: the broker gives the lanes to others, with what was in hand.
func (s *subscriber) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.ready = nil
	s.mu.Unlock()
	s.stop()
	s.wake()
	s.lanes.Wait()
	if first {
		s.broker.mu.Lock()
		delete(s.broker.members, s)
		s.broker.mu.Unlock()
	}
	return nil
}
