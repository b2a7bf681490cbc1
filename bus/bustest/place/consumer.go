package place

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
)

// Soon is a policy of retries for impatient tests.
func Soon() bus.Backoff {
	return bus.Backoff{First: 20 * time.Millisecond, Most: 200 * time.Millisecond, Attempts: 3}
}

// Member returns a consumer of the case's group, on a connection of its own.
func (p *Place) Member(parking bus.Parking) *bus.Consumer {
	return &bus.Consumer{Broker: p.Connect(), Group: p.Group("g"), Parking: parking, Retry: Soon()}
}

// Consume runs a consumer that handles topics until stop is called.
func (p *Place) Consume(c *bus.Consumer, h bus.Handler, topics ...string) (stop func()) {
	p.Helper()
	for _, t := range topics {
		if err := c.On(t, h); err != nil {
			p.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, bus.ErrClosed) {
				p.Errorf("Run ended with %v", err)
			}
		case <-time.After(Patience):
			p.Error("Run did not end")
		}
	})
	p.Cleanup(stop)
	return stop
}

// Record notes what was handled.
type Record struct {
	mu  sync.Mutex
	all []bus.Msg
}

// Handle is a bus.Handler that succeeds.
func (r *Record) Handle(_ context.Context, d bus.Delivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, d.Msg)
	return nil
}

// Messages returns what was handled so far, in order.
func (r *Record) Messages() []bus.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]bus.Msg(nil), r.all...)
}

// Has returns a condition for Eventually: that so many were handled.
func (r *Record) Has(n int) func() bool { return func() bool { return len(r.Messages()) >= n } }

// Lag returns how far a group is behind.
func (p *Place) Lag(sub bus.Subscriber) bus.Lag {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), Patience)
	defer cancel()
	lag, err := sub.Lag(ctx)
	if err != nil {
		p.Fatal(err)
	}
	return lag
}
