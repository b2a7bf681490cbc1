package streams

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
)

// Settle tells the server, all at a time.
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
	if !ok || r.subscriber != s {
		return fmt.Errorf("redis: the delivery %s was not received here", v.Delivery.ID)
	}
	s.mu.Lock()
	closed, until := s.closed, r.touched.Add(lease)
	s.mu.Unlock()
	switch {
	case closed:
		return bus.ErrClosed
	case !time.Now().Before(until):
		s.drop(r)
		return bus.ErrLeaseLost
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	sent := time.Now()
	switch v.Action {
	case bus.Nack:
		return r.tell(ctx, "back", max(v.After, 0))
	case bus.InProgress:
		err := r.tell(ctx, "alive", lease)
		if err == nil {
			s.mu.Lock()
			r.touched = sent
			s.mu.Unlock()
		}
		return err
	default:
		return r.tell(ctx, "done", 0)
	}
}

func (s *subscriber) drop(r *receipt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hands, r)
}

// tell has the server do what a verdict says.
func (r *receipt) tell(ctx context.Context, action string, d time.Duration) error {
	answer, err := r.broker.run(ctx, r.broker.scripts.settle, []string{groupKey(r.owner, r.Group)},
		channelOf(r.owner), r.lane, r.number, r.token, action, millis(d), millis(keptFor))
	if err != nil {
		return err
	}
	if action != "alive" {
		r.drop(r)
	}
	if answer != int64(1) {
		return bus.ErrLeaseLost
	}
	return nil
}

// handBack gives others what nobody here gets.
func (s *subscriber) handBack(all []bus.Delivery) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	var giving sync.WaitGroup
	for _, d := range all {
		if r, ok := d.Receipt.(*receipt); ok {
			giving.Go(func() { _ = r.tell(ctx, "back", 0) }) // or it comes when the lease ends
		}
	}
	giving.Wait()
}

// Close hands back what was not settled.
func (s *subscriber) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var left []bus.Delivery
	for r := range s.hands {
		left = append(left, bus.Delivery{Receipt: r})
	}
	s.mu.Unlock()
	s.stop()
	s.broker.mu.Lock()
	delete(s.broker.members, s)
	s.broker.mu.Unlock()
	_ = s.news.Close() // of a connection that is given up
	s.handBack(left)
	return nil
}
