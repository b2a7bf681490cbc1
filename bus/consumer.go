package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/problem"
)

// drain bounds how long handlers may go on when a Consumer ends, and grace how long it
// waits after it has ended their contexts.
const (
	drain = 8 * time.Second
	grace = time.Second
)

// Consumer is one member of a group: it receives messages, gives each to the handler
// of its topic, and does what the broker cannot. Set its fields before Run and leave
// them; its methods are safe for concurrent use.
//
// A message whose handler fails is parked: the messages behind it of other keys go on,
// those of its own key wait behind it, and it is tried again after a growing delay. It
// is dead, and still holds its key, when its tries are used up or its handler said
// [Final]; then a person redrives or discards it. A handler that panics has failed for
// good. A message that ends the process that handles it is parked when it was delivered
// for the fourth time (Caps.Count), and is dead when its tries there are used up too
// ([Parked.Lost]). A message that is not due yet ([Msg.NotBefore]) is parked until it is, where the
// broker does not hold it back.
//
// Without a Parking a message that fails is given back to the broker, over and over
// with the same delays, and what the broker keeps in one order with it waits. Nothing
// is dead then, unless the broker itself keeps the dead (Caps.Dead).
type Consumer struct {
	Broker     Broker
	Group      string               // a DNS label: the service's name
	Latest     bool                 // where a new group begins: see Subscription
	Parking    Parking              // nil: see above
	Retry      Backoff              // zero values: 100 ms, 30 s, 10 tries
	Workers    int                  // handlers at a time; a quarter as many besides for parked messages; 0: 16
	Middleware []Middleware         // the first is the outermost; inside of the Consumer's own
	Log        *slog.Logger         // nil: nowhere
	Traces     trace.TracerProvider // nil: no spans; the trace goes through all the same
	Meters     metric.MeterProvider // nil: nothing is counted

	mu         sync.Mutex
	routes     []route
	started    bool
	subscriber Subscriber // while it runs
}

// route is a pattern and what handles its topics.
type route struct {
	pattern string
	handler Handler
}

// On has a handler called for the messages of a topic or of all topics that a pattern
// stands for. A topic goes to the one pattern with the most segments that are no *, the
// earlier one where two have the same number. It fails for a malformed pattern, for one
// that is there already, and after Run.
func (c *Consumer) On(pattern string, h Handler) error {
	if err := ValidPattern(pattern); err != nil {
		return err
	}
	if h == nil {
		return fmt.Errorf("bus: the handler of %s is nil", pattern)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started {
		return fmt.Errorf("bus: the consumer of the group %q runs already: say what it handles (%s) before", c.Group, pattern)
	}
	if slices.ContainsFunc(c.routes, func(r route) bool { return r.pattern == pattern }) {
		return fmt.Errorf("bus: %s has a handler already in the group %q", pattern, c.Group)
	}
	c.routes = append(c.routes, route{pattern, h})
	return nil
}

// Lag returns how far the group is behind at the broker; what is parked does not count.
// It fails while the consumer does not run.
func (c *Consumer) Lag(ctx context.Context) (Lag, error) {
	c.mu.Lock()
	s := c.subscriber
	c.mu.Unlock()
	if s == nil {
		return Lag{}, problem.New(problem.Unavailable, "the consumer of the group %q is not connected to the broker", c.Group)
	}
	return s.Lag(ctx)
}

// Run consumes until ctx ends, waiting for a broker that is away. Then it receives
// nothing more, gives the handlers in hand 8 s to finish, ends their contexts, and
// returns nil, or an error when some did not end. What they had not finished comes
// again. Other errors are those that trying again does not help against. It runs once.
func (c *Consumer) Run(ctx context.Context) error {
	r, err := c.start()
	if err != nil {
		return err
	}
	var topics []string
	for _, route := range r.routes {
		topics = append(topics, route.pattern)
	}
	sub, err := c.Broker.Subscribe(ctx, Subscription{Group: c.Group, Topics: topics, Latest: c.Latest})
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end, and had not begun
		}
		return fmt.Errorf("bus: the group %q cannot be joined: %w", c.Group, err)
	}
	r.sub = sub
	c.attach(sub)
	err = r.run(ctx)
	c.attach(nil)
	if e := sub.Close(); e != nil && !errors.Is(e, ErrClosed) {
		r.log.WarnContext(ctx, "the group was not left in order; others get what it had after the lease", "error", e)
	}
	return err
}

func (c *Consumer) attach(s Subscriber) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscriber = s
}

// start takes the configuration and marks the consumer as used.
func (c *Consumer) start() (*running, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.Broker == nil:
		return nil, errors.New("bus: a consumer needs a broker")
	case c.started:
		return nil, fmt.Errorf("bus: the consumer of the group %q was run before: make another", c.Group)
	case len(c.routes) == 0:
		return nil, fmt.Errorf("bus: the consumer of the group %q handles nothing: call On", c.Group)
	}
	c.started = true
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	workers := c.Workers
	if workers <= 0 {
		workers = 16
	}
	r := &running{
		group: c.Group, parking: c.Parking, caps: c.Broker.Caps(), retry: c.Retry.orDefault(), routes: c.routes,
		log:   log.With("group", c.Group),
		fresh: newSlots(workers), parked: newSlots(max(1, workers/4)),
		hands: map[*hand]struct{}{}, alarm: newAlarm(), ended: make(chan struct{}),
	}
	r.handle = r.wrap(c.Middleware, c.Traces, c.Meters)
	if c.Parking == nil {
		r.log.Warn("without a parking a message that fails holds back those behind it until it succeeds")
	}
	return r, nil
}

// running is what a Consumer is while it runs.
type running struct {
	group   string
	sub     Subscriber
	parking Parking
	caps    Caps
	retry   Backoff
	routes  []route
	handle  Handler // with all middleware
	log     *slog.Logger

	fresh, parked *slots // handlers of received messages, and of parked ones
	alarm         *alarm // when the parking is to be asked next
	work          sync.WaitGroup
	ended         chan struct{} // nothing more is received
	ending        atomic.Bool   // the contexts of handlers are ended: what fails now was not tried

	mu    sync.Mutex
	hands map[*hand]struct{} // deliveries that are being handled
}

// run goes on until ctx ends and all that it began has.
func (r *running) run(ctx context.Context) error {
	handlers, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	background, quit := context.WithCancel(handlers) // beats go on while handlers do
	defer quit()
	loops, halt := context.WithCancel(ctx)
	defer halt()

	var beats, tries sync.WaitGroup
	if r.caps.Lease > 0 {
		beats.Go(func() { r.beat(background) })
	}
	if r.parking != nil {
		tries.Go(func() { r.retryParked(loops, handlers) })
	}
	err := r.receive(loops, handlers)
	halt()
	close(r.ended)
	tries.Wait()
	if left := r.finish(stop); left > 0 {
		err = errors.Join(err, fmt.Errorf("bus: %d handlers of the group %q did not end within %v", left, r.group, drain+grace))
	}
	quit()
	beats.Wait()
	return err
}

// finish waits for the handlers in hand and returns how many did not end.
func (r *running) finish(stop context.CancelFunc) (left int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.work.Wait()
	}()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-done:
		return 0
	case <-timer.C:
	}
	r.ending.Store(true)
	stop()
	timer.Reset(grace)
	select {
	case <-done:
		return 0
	case <-timer.C:
		return r.fresh.busy() + r.parked.busy()
	}
}

// handlerOf returns what handles a topic: of the patterns that match, the most exact.
func (r *running) handlerOf(topic string) Handler {
	var best route
	exact := -1
	for _, route := range r.routes {
		if n := strings.Count(route.pattern, ".") - strings.Count(route.pattern, "*"); n > exact && Matches(route.pattern, topic) {
			best, exact = route, n
		}
	}
	return best.handler
}
