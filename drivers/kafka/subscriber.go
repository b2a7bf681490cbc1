package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/internal/request"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// subscriber is one member of a group.
type subscriber struct {
	broker *broker
	bus.Subscription
	sessions []*session
	living   context.Context //nolint:containedctx // ends with the subscriber, which calls outlast
	stop     context.CancelFunc
	working  sync.WaitGroup
	news     chan struct{} // of 1: something may be ready

	mu        sync.Mutex
	turn      int // where to begin the next time, so that no lane or owner waits for the others
	fruitless int // how often a lane was let go of since Receive last waited
	closed    bool
}

// receipt is a delivery's place in its lane.
type receipt struct {
	*lane
	touched time.Time // when its lease began; subscriber.mu
}

// Subscribe has the group be there, joins it, and returns when all its members know of
// this one's topics. It waits for a broker that is away until ctx ends.
func (b *broker) Subscribe(ctx context.Context, want bus.Subscription) (bus.Subscriber, error) {
	want, err := want.Normalized()
	if err != nil {
		return nil, err
	}
	s := &subscriber{broker: b, Subscription: want, news: make(chan struct{}, 1)}
	s.living, s.stop = context.WithCancel(b.living)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		s.stop()
		return nil, bus.ErrClosed
	}
	b.members[s] = struct{}{}
	b.mu.Unlock()
	if err := s.join(ctx); err != nil {
		_ = s.Close() // has no error
		return nil, err
	}
	return s, nil
}

// join begins a session for each owner, and waits until they take part.
func (s *subscriber) join(ctx context.Context) error {
	topics := map[string][]string{}
	for _, t := range s.Topics {
		topics[wire.OwnerOf(t)] = append(topics[wire.OwnerOf(t)], t)
	}
	for owner, of := range topics {
		if err := s.broker.ensure(ctx, owner); err != nil {
			return err
		}
		if err := s.broker.insist(ctx, func(ctx context.Context) error { return s.begin(ctx, owner, of) }); err != nil {
			return err
		}
		x, err := s.open(owner, of)
		if err != nil {
			return err
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			x.client.Close()
			return bus.ErrClosed
		}
		s.sessions = append(s.sessions, x)
		for _, work := range []func(context.Context){x.attend, x.watch, x.write, x.fetch} {
			s.working.Go(func() { work(s.living) })
		}
		s.mu.Unlock()
	}
	for _, x := range s.sessions {
		select {
		case <-x.joined:
		case <-s.living.Done():
			return bus.ErrClosed
		case <-ctx.Done():
			return s.broker.gaveUp(ctx.Err(), x.failed())
		}
	}
	return nil
}

// begin writes where a group begins, and the topics of this member, where nobody belongs
// to the group; otherwise its members do.
func (s *subscriber) begin(ctx context.Context, owner string, topics []string) error {
	known, err := request.Places(ctx, s.broker.client, owner, s.Group)
	if err != nil {
		return err
	}
	missing := map[int]wire.Place{}
	for n := range Lanes {
		p, ok := known[n]
		all := wire.Union(p.Topics, topics)
		if ok && slices.Equal(all, p.Topics) {
			continue
		}
		p.Topics = all
		missing[n] = p
	}
	if len(missing) == 0 {
		return nil
	}
	if len(known) < Lanes && s.Latest {
		ends, err := request.Offsets(ctx, s.broker.client, owner, request.End)
		if err != nil {
			return err
		}
		for n, p := range missing {
			if _, ok := known[n]; !ok {
				p.Next = ends[n]
				missing[n] = p
			}
		}
	}
	became, err := request.Commit(ctx, s.broker.client, owner, s.Group, "", -1, missing)
	if err != nil {
		return err
	}
	for _, err := range became {
		if err != nil && !errors.Is(err, kerr.UnknownMemberID) && !errors.Is(err, kerr.RebalanceInProgress) && !errors.Is(err, kerr.IllegalGeneration) {
			return fmt.Errorf("kafka: begin the group %s: %w", wire.GroupOf(owner, s.Group), err)
		}
	}
	return nil
}

// Receive gives out what is ready, one message of a lane at a time. That it is given out
// is written before.
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
		now := time.Now()
		chosen, next := s.choose(now, max(most, 1))
		waits := make([]<-chan error, len(chosen))
		for i, l := range chosen {
			waits[i] = l.give()
		}
		if len(chosen) == 0 {
			s.fruitless = 0
		}
		s.mu.Unlock()
		if len(chosen) > 0 {
			if got := s.handOut(ctx, chosen, waits); len(got) > 0 {
				return got, nil
			}
			continue
		}
		t := time.NewTimer(next)
		select {
		case <-s.news:
		case <-t.C:
		case <-ctx.Done():
		case <-s.living.Done():
		}
		t.Stop()
	}
}

// lookAgain is how long Receive waits at most until it looks again.
const lookAgain = time.Second

// choose returns lanes that have something to give out, and how long it is until there
// may be one.
func (s *subscriber) choose(now time.Time, most int) (chosen []*lane, next time.Duration) {
	next = lookAgain
	s.turn++
	for i := range len(s.sessions) * Lanes {
		at := (s.turn + i) % (len(s.sessions) * Lanes)
		l := s.sessions[at%len(s.sessions)].lanes[at/len(s.sessions)]
		if l == nil || !l.ready() || l.anothers() {
			continue
		}
		if wait := l.place.Until.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		chosen = append(chosen, l)
		if len(chosen) == most {
			break
		}
	}
	return chosen, next
}

// handOut waits until it is written that messages are given out, and returns them. What
// is not by the end of ctx stays.
func (s *subscriber) handOut(ctx context.Context, chosen []*lane, waits []<-chan error) (got []bus.Delivery) {
	for i, l := range chosen {
		var err error
		select {
		case err = <-waits[i]:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		if d, ok := l.given(err); ok {
			got = append(got, d)
		}
		s.mu.Unlock()
	}
	return got
}

// wake has Receive look again.
func (s *subscriber) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Settle writes what became of messages, all at a time, and returns when the broker has
// it. One whose lease has ended is an error: the message comes again.
func (s *subscriber) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	errs := make([]error, len(verdicts))
	waits := make([]<-chan error, len(verdicts))
	s.mu.Lock()
	now := time.Now()
	for i, v := range verdicts {
		r, ok := v.Delivery.Receipt.(*receipt)
		switch {
		case !ok || r.subscriber != s:
			errs[i] = fmt.Errorf("kafka: the delivery %s was not received here", v.Delivery.ID)
		case s.closed:
			errs[i] = bus.ErrClosed
		default:
			waits[i], errs[i] = r.settle(v, now)
		}
	}
	s.mu.Unlock()
	for i, wait := range waits {
		if wait == nil {
			continue
		}
		select {
		case errs[i] = <-wait:
		case <-ctx.Done():
			errs[i] = ctx.Err()
		}
	}
	return errors.Join(errs...)
}

// Close leaves the group. Others get what was in hand.
func (s *subscriber) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, x := range s.sessions {
		x.dropAll(bus.ErrClosed)
	}
	sessions := s.sessions
	s.mu.Unlock()
	s.stop()
	s.working.Wait()
	var leaving sync.WaitGroup
	for _, x := range sessions {
		leaving.Go(x.leave)
	}
	leaving.Wait()
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	delete(s.broker.members, s)
	return nil
}
