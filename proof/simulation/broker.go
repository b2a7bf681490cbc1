package simulation

import (
	"context"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
)

// link is a process's connection to the broker, through the gate. What is published may be stored
// once more, later, as by a broker that has forgotten it.
type link struct{ from *Process }

var _ bus.Broker = link{}

const again = "~again" // marks the id of what is stored once more

// Publish passes the gate and stores.
func (l link) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result {
	var results []bus.Result
	err := l.from.Pass(ctx, publish, "publish", nil, func() error {
		w := l.from.world
		results = l.from.ear.Publish(ctx, msgs)
		for i, m := range msgs {
			if results[i].Err == nil && !w.quietly && w.rng.Float64() < w.plan.fickle {
				m.ID += again
				w.after(time.Duration(w.rng.IntN(4000))*time.Millisecond, "the broker stores "+m.Topic+" of "+m.Key+" once more",
					func() { w.all.Go(func() { w.broker.Publish(context.Background(), []bus.Msg{m}) }) })
			}
		}
		return nil
	})
	if err != nil {
		results = make([]bus.Result, len(msgs))
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}

// Subscribe joins a group.
func (l link) Subscribe(ctx context.Context, s bus.Subscription) (bus.Subscriber, error) {
	sub, err := l.from.ear.Subscribe(ctx, s)
	return ear{sub, l.from}, err
}

// Caps are those of the broker in memory.
func (l link) Caps() bus.Caps { return l.from.ear.Caps() }

// Close does nothing: the process ends it.
func (l link) Close() error { return nil }

type ear struct {
	bus.Subscriber

	from *Process
}

// Receive passes the gate with what came, in any order between keys.
func (e ear) Receive(ctx context.Context, most int) ([]bus.Delivery, error) {
	came, err := e.Subscriber.Receive(ctx, most)
	if err != nil || e.from.Dead() {
		return nil, err
	}
	for i := range came {
		came[i].ID = strings.TrimSuffix(came[i].ID, again)
	}
	err = e.from.Pass(ctx, receive, "receive", nil, func() error {
		e.from.world.rng.Shuffle(len(came), func(i, j int) { came[i], came[j] = came[j], came[i] })
		return nil
	})
	switch {
	case err == nil:
		return came, nil
	case e.from.Dead():
		return nil, bus.ErrClosed
	default:
		return nil, nil // they come again when their lease has ended
	}
}

// Settle passes the gate. What the broker is not told comes again.
func (e ear) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	return e.from.Pass(ctx, settle, "settle", nil, func() error { return e.Subscriber.Settle(ctx, verdicts...) })
}
