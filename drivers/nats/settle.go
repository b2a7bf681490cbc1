package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
)

// Settle sends the verdicts together and returns when the server has confirmed them
// all. One that cannot be confirmed while the lease lasts, for the broker is away, is
// an error, as one whose lease has ended: the message comes again.
func (s *subscriber) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	var open []settling
	var errs []error
	now := time.Now()
	s.mu.Lock()
	for _, v := range verdicts {
		r, ok := v.Delivery.Receipt.(*receipt)
		switch {
		case !ok || r.subscriber != s:
			errs = append(errs, fmt.Errorf("nats: the delivery %s was not received here", v.Delivery.ID))
		case s.closed:
			errs = append(errs, bus.ErrClosed)
		case now.Sub(r.touched) >= lease:
			delete(s.hands, r)
			errs = append(errs, bus.ErrLeaseLost)
		default:
			open = append(open, settling{r, v, body(v)})
		}
	}
	s.mu.Unlock()
	for failures := 0; len(open) > 0; failures++ {
		left, err := s.settle(ctx, open)
		if len(left) > 0 {
			bounded, cancel := context.WithDeadline(ctx, left[0].touched.Add(lease))
			e := away.Rest(bounded, away.Pause(failures))
			cancel()
			if e != nil || !passes(err) {
				errs = append(errs, fmt.Errorf("nats: %d of %d verdicts were not confirmed: %w", len(left), len(verdicts), s.broker.closing(err)))
				break
			}
		}
		open = left
	}
	return errors.Join(errs...)
}

// settling is a verdict on its way.
type settling struct {
	*receipt
	bus.Verdict
	body []byte
}

func body(v bus.Verdict) []byte {
	switch v.Action {
	case bus.Ack:
		return []byte("+ACK")
	case bus.Nack:
		if v.After <= 0 {
			return []byte("-NAK")
		}
		return fmt.Appendf(nil, `-NAK {"delay":%d}`, v.After.Nanoseconds())
	case bus.Term:
		return []byte("+TERM " + strings.Map(func(r rune) rune { return max(r, ' ') }, v.Reason))
	default:
		return []byte("+WPI")
	}
}

// settle sends all once and returns those without a confirmation, and why.
func (s *subscriber) settle(ctx context.Context, all []settling) (left []settling, err error) {
	online, cancel := context.WithDeadline(ctx, all[0].touched.Add(lease))
	down, err := s.broker.online(online)
	cancel()
	if err != nil {
		return all, err
	}
	sent := time.Now()
	questions := make([]*question, len(all))
	for i, v := range all {
		q := s.broker.asks.put()
		defer q.drop()
		if e := s.broker.conn.PublishMsg(&natsgo.Msg{Subject: v.reply, Reply: q.reply, Data: v.body}); e != nil {
			return all, e
		}
		questions[i] = q
	}
	patience := time.NewTimer(lease)
	defer patience.Stop()
	for i, v := range all {
		if _, e := questions[i].wait(ctx, down, patience.C); e != nil {
			left, err = append(left, v), e
			continue
		}
		s.mu.Lock()
		if v.Action == bus.InProgress {
			v.touched = sent
		} else {
			delete(s.hands, v.receipt)
		}
		s.mu.Unlock()
	}
	return left, err
}

// sign has the leases begin anew of what has waited for Receive. Nothing confirms it:
// the next sign comes from who handles it.
func (s *subscriber) sign(old []*receipt) {
	for _, r := range old {
		_ = s.broker.conn.Publish(r.reply, []byte("+WPI"))
	}
}

// giveUp hands deliveries back for good.
func (s *subscriber) giveUp(ctx context.Context, left []*receipt) {
	var all []settling
	for _, r := range left {
		if time.Since(r.touched) < lease {
			all = append(all, settling{r, bus.Verdict{}, []byte("-NAK")})
		}
	}
	if len(all) > 0 && s.broker.conn.IsConnected() {
		_, _ = s.settle(ctx, all) // what is not confirmed comes when the lease ends
	}
}
