package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/drivers/nats/internal/many"
)

// A pull request waits at the server for a message for so long, then another is sent:
// an idle lane costs two small messages in that time. A server that ends a stream loses now and
// then what it had to say to those who wait (seen with nats-server 2.15.2): a stream's first lane asks more often, as
// its sentinel, and finds that nobody is there.
const (
	pullWait     = time.Minute
	sentinelWait = answerWait
)

// keep is how long a message that arrived may wait for Receive, before it is handed
// back for others; and how old it may be to be given out without a sign to the server.
const (
	keep  = lease / 2
	young = lease / 40
)

// subscriber is one member of a group.
type subscriber struct {
	broker *broker
	bus.Subscription
	inbox string
	news  chan struct{} // of 1: something changed that Receive waits for

	mu      sync.Mutex
	sub     *natsgo.Subscription
	lanes   []*lane
	ready   []*receipt // arrived, not given out
	hands   map[*receipt]struct{}
	broken  bool // a stream or consumer is not there: set it up again
	trouble int  // failures in a row
	closed  bool
	aged    *time.Timer // hands back what nobody receives
}

// lane is one consumer.
type lane struct {
	owner, stream, consumer string

	number int
	asked  time.Time // when a message was asked for; zero: it is to be
}

// receipt is a delivery's place at the server.
type receipt struct {
	*subscriber
	bus.Delivery
	reply   string    // the subject of its acknowledgement
	touched time.Time // when its lease began, at the latest
}

// Subscribe makes the group's consumers, or takes part in those that are there, and
// waits for a broker that is away until ctx ends.
func (b *broker) Subscribe(ctx context.Context, want bus.Subscription) (bus.Subscriber, error) {
	want, err := want.Normalized()
	if err != nil {
		return nil, err
	}
	s := &subscriber{
		broker: b, Subscription: want, inbox: b.conn.NewInbox() + ".", news: make(chan struct{}, 1), hands: map[*receipt]struct{}{},
	}
	s.aged = time.AfterFunc(keep, s.handBack)
	s.aged.Stop()
	begin := jetstream.DeliverAllPolicy
	if want.Latest {
		begin = jetstream.DeliverNewPolicy
	}
	if err := s.setUp(ctx, begin); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sub, err = b.conn.Subscribe(s.inbox+"*", s.arrived); err == nil {
		err = s.sub.SetPendingLimits(-1, -1) // a message for each lane, at most
	}
	if err != nil {
		return nil, b.closing(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, bus.ErrClosed
	}
	b.members[s] = struct{}{}
	return s, nil
}

// setUp has the streams and consumers be there. What was lost begins anew with the
// oldest message, whatever the group began with.
func (s *subscriber) setUp(ctx context.Context, begin jetstream.DeliverPolicy) error {
	var owners []string
	for _, t := range s.Topics {
		owners = append(owners, ownerOf(t))
	}
	owners = slices.Compact(slices.Sorted(slices.Values(owners)))
	var lanes []*lane
	err := s.broker.insist(ctx, func(ctx context.Context) error {
		lanes = nil
		for _, owner := range owners {
			stream, err := s.broker.stream(ctx, owner)
			if err != nil {
				return err
			}
			for i := range stream.lanes {
				lanes = append(lanes, &lane{owner: owner, stream: streamOf(owner), consumer: consumerOf(s.Group, i), number: i})
			}
		}
		err := many.Each(ctx, lanes, func(ctx context.Context, l *lane) error {
			return s.broker.consumer(ctx, l, s.Subscription, begin)
		})
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			for _, owner := range owners {
				s.broker.forget(owner)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes, s.broken = lanes, false
	return nil
}

// Receive returns what has arrived. While it waits, one request for one message is at
// the server for each lane; when nobody receives, they run out.
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
		got, old := s.take(max(most, 1))
		broken, trouble := s.broken, s.trouble
		if len(got) == 0 && !broken {
			s.ask(time.Now())
		}
		s.mu.Unlock()
		s.sign(old)
		if len(got) > 0 {
			return got, nil
		}
		wait := sentinelWait
		if broken {
			wait = away.Pause(trouble - 1)
		}
		t := time.NewTimer(wait)
		select {
		case <-s.news:
		case <-t.C:
			if broken {
				if err := s.setUp(ctx, jetstream.DeliverAllPolicy); err != nil && ctx.Err() == nil {
					t.Stop()
					return nil, err
				}
			}
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// take returns what is ready, and of it what has waited: its lease is to begin anew.
// The lock is held.
func (s *subscriber) take(most int) (got []bus.Delivery, old []*receipt) {
	now := time.Now()
	for len(s.ready) > 0 && len(got) < most {
		r := s.ready[0]
		s.ready = s.ready[1:]
		waited := now.Sub(r.touched)
		if waited >= keep {
			continue // it was handed back, or will be delivered again
		}
		if waited >= young {
			r.touched = now
			old = append(old, r)
		}
		s.hands[r] = struct{}{}
		got = append(got, r.Delivery)
	}
	return got, old
}

// ask sends requests for the lanes without one. The lock is held.
func (s *subscriber) ask(now time.Time) {
	for i, l := range s.lanes {
		expires := pullWait
		if l.number == 0 {
			expires = sentinelWait
		}
		if now.Sub(l.asked) < expires+answerWait {
			continue
		}
		request := fmt.Appendf(nil, `{"batch":1,"expires":%d}`, expires.Nanoseconds())
		m := &natsgo.Msg{Subject: "$JS.API.CONSUMER.MSG.NEXT." + l.stream + "." + l.consumer, Reply: s.inbox + strconv.Itoa(i), Data: request}
		if s.broker.conn.PublishMsg(m) != nil {
			return // not connected: reconnected asks again
		}
		l.asked = now
	}
}

// wake has Receive look again.
func (s *subscriber) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// reconnected has all lanes asked again: the server forgot the requests.
func (s *subscriber) reconnected() {
	s.mu.Lock()
	for _, l := range s.lanes {
		l.asked = time.Time{}
	}
	s.mu.Unlock()
	s.wake()
}

// Close hands back what was not settled.
func (s *subscriber) Close() error {
	b := s.broker
	b.mu.Lock()
	delete(b.members, s)
	b.mu.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.aged.Stop()
	left := s.ready
	for r := range s.hands {
		left = append(left, r)
	}
	s.ready, s.hands = nil, map[*receipt]struct{}{}
	s.mu.Unlock()
	s.wake()
	_ = s.sub.Drain() // fails only where the connection is closed; what arrives until then is handed back
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	s.giveUp(ctx, left)
	return nil
}
