package crash

import (
	"context"

	"github.com/musterdev/muster/bus"
)

// Broker returns b with each Publish and each Settle counted as one write to the broker,
// for drivers whose connections cannot be reached. After a cut b is closed, which gives
// back what was not settled, as the end of a process does.
func (p *Plan) Broker(b bus.Broker) bus.Broker {
	if p == nil {
		return b
	}
	w := &broker{Broker: b, plan: p}
	if !p.keep(w) {
		_ = b.Close() // whatever is asked of it tells
	}
	return w
}

type broker struct {
	bus.Broker
	plan *Plan
}

// Publish publishes between the two sides of a boundary.
func (b *broker) Publish(ctx context.Context, msgs []bus.Msg) (results []bus.Result) {
	if err := b.plan.Do(Write, "broker", func() error {
		results = b.Broker.Publish(ctx, msgs)
		return nil
	}); err != nil {
		results = make([]bus.Result, len(msgs))
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}

// Subscribe joins a group.
func (b *broker) Subscribe(ctx context.Context, s bus.Subscription) (bus.Subscriber, error) {
	in, err := b.Broker.Subscribe(ctx, s)
	if err != nil {
		return nil, err
	}
	return &subscriber{in, b.plan}, nil
}

// Close ends the connection.
func (b *broker) Close() error {
	b.plan.forget(b)
	return b.Broker.Close()
}

type subscriber struct {
	bus.Subscriber
	plan *Plan
}

// Settle settles between the two sides of a boundary.
func (s *subscriber) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	return s.plan.Do(Write, "broker", func() error { return s.Subscriber.Settle(ctx, verdicts...) })
}
