package broker

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/bus"
)

// pushers post events to the services that subscribed, each with a consumer of its own.
type pushers struct {
	broker  bus.Broker
	admin   bus.Admin
	parking bus.Parking
	client  func(service string) *http.Client
	log     *slog.Logger
	traces  trace.TracerProvider // nil: no spans
	meters  metric.MeterProvider // nil: nothing is counted

	mu      sync.Mutex
	current []Subscription
	changed chan struct{} // of 1; nil before run
}

// retry is the policy for what a service answered with an error: dead after some eight
// minutes. A service that cannot be reached, or says that it is busy, is tried for ever.
func retry() bus.Backoff {
	return bus.Backoff{First: 100 * time.Millisecond, Most: longest, Attempts: 25}
}

// longest is the most time between two tries, if the service did not ask for more.
const longest = 30 * time.Second

// set replaces the subscriptions.
func (p *pushers) set(list []Subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = list
	if p.changed != nil {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

func (p *pushers) list() []Subscription {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// pusher posts to one service.
type pusher struct {
	subscriptions []Subscription
	stop          context.CancelFunc
}

// run posts until ctx ends and all that is in hand has.
func (p *pushers) run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	p.mu.Lock()
	p.changed = changed
	p.mu.Unlock()
	var working sync.WaitGroup
	defer working.Wait()
	running := map[string]pusher{}
	for {
		wanted := map[string][]Subscription{}
		for _, s := range p.list() {
			wanted[s.Service] = append(wanted[s.Service], s)
		}
		for service, r := range running {
			if !slices.Equal(r.subscriptions, wanted[service]) {
				r.stop() // it finishes what it has in hand, beside its successor
				delete(running, service)
			}
		}
		for service, list := range wanted {
			if _, ok := running[service]; !ok {
				each, stop := context.WithCancel(ctx)
				running[service] = pusher{list, stop}
				working.Go(func() {
					defer stop()
					p.push(each, service, list)
				})
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			for _, r := range running {
				r.stop()
			}
			return nil
		}
	}
}

// push posts to one service until ctx ends. An error of the broker that trying again
// would not help against is tried again all the same: a person may mend it.
func (p *pushers) push(ctx context.Context, service string, list []Subscription) {
	log := p.log.With("service", service)
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, longest) {
		err := p.consume(ctx, service, list, log)
		if err == nil || ctx.Err() != nil {
			return
		}
		log.Error("events cannot be posted to a service; trying again", "error", err, "after", wait)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

func (p *pushers) consume(ctx context.Context, service string, list []Subscription, log *slog.Logger) error {
	post := &poster{service: service, client: p.client(service), parking: p.parking, failures: map[string]failure{}}
	c := &bus.Consumer{Broker: p.broker, Group: service, Parking: post, Retry: retry(), Log: log, Traces: p.traces, Meters: p.meters}
	topics := make([]string, 0, len(list))
	for _, s := range list {
		topics = append(topics, s.Topic)
		if err := c.On(s.Topic, post.to(s.Path)); err != nil {
			return err
		}
	}
	// A group keeps the topics that it ever had. What came for those that were given up
	// is done with.
	groups, err := p.admin.Groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Name != service {
			continue
		}
		for _, t := range g.Topics {
			if slices.ContainsFunc(topics, func(p string) bool { return bus.Matches(p, t) }) {
				continue
			}
			if _, err := (bus.Subscription{Group: service, Topics: append(slices.Clone(topics), t)}).Normalized(); err != nil {
				continue // it shares some topics with another pattern
			}
			topics = append(topics, t)
			if err := c.On(t, func(context.Context, bus.Delivery) error { return nil }); err != nil {
				return err
			}
		}
	}
	return c.Run(ctx)
}
