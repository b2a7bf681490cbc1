package bus_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
)

// start runs a consumer until stop, which returns what Run did.
func start(t *testing.T, c *bus.Consumer) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func on(t *testing.T, c *bus.Consumer, pattern string, h bus.Handler) {
	t.Helper()
	if err := c.On(pattern, h); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, b bus.Publisher, msgs ...bus.Msg) {
	t.Helper()
	for _, r := range b.Publish(t.Context(), msgs) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

func msg(id, key string) bus.Msg {
	return bus.Msg{ID: id, Source: "/test", Topic: "orders.placed", Key: key}
}

func TestAHandlerThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, parking := memory.New(), memory.NewParking()
		c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: parking}
		canceled := make(chan time.Time, 1)
		release := make(chan bool)
		on(t, c, "orders.placed", func(ctx context.Context, _ bus.Delivery) error {
			<-ctx.Done()
			canceled <- time.Now()
			<-release
			return context.Cause(ctx)
		})
		stop := start(t, c)
		publish(t, b, msg("1", "k"))
		time.Sleep(time.Second)
		began := time.Now()
		err := stop()
		if err == nil || !strings.Contains(err.Error(), "1 handlers of the group \"g\" did not end within 9s") {
			t.Error(err)
		}
		if d := (<-canceled).Sub(began); d != 8*time.Second {
			t.Errorf("its context ended after %v", d)
		}
		close(release)
	})
}

// A handler that was not given the time has not failed: the message goes back, and
// counts as not tried.
func TestAHandlerThatIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, parking := memory.New(), memory.NewParking()
		c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: parking}
		on(t, c, "orders.placed", func(ctx context.Context, _ bus.Delivery) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		stop := start(t, c)
		publish(t, b, msg("1", "k"))
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if left := parking.List(); len(left) > 0 {
			t.Errorf("parked: %+v", left)
		}
		sub, err := b.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"orders.placed"}})
		if err != nil {
			t.Fatal(err)
		}
		if d, err := sub.Receive(t.Context(), 1); err != nil || d[0].ID != "1" {
			t.Errorf("%v, %v", d, err)
		}
	})
}

func TestALostLeaseStopsTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, parking := memory.New(), memory.NewParking()
		c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: parking}
		causes := make(chan error, 10)
		on(t, c, "orders.placed", func(ctx context.Context, d bus.Delivery) error {
			if d.Count > 1 {
				causes <- nil
				return nil
			}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return context.Cause(ctx)
		})
		stop := start(t, c)
		publish(t, b, msg("1", "k"))
		time.Sleep(time.Second)
		b.Stop()
		if err := <-causes; !errors.Is(err, bus.ErrLeaseLost) {
			t.Errorf("its context ended with %v", err)
		}
		time.Sleep(time.Second)
		if left := parking.List(); len(left) > 0 {
			t.Errorf("what is another's by now was parked: %+v", left)
		}
		b.Start()
		if err := <-causes; err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if left := parking.List(); len(left) > 0 {
			t.Errorf("parked: %+v", left)
		}
	})
}

// A parked message is its taker's for as long as that is at work.
func TestASlowTryOfAParkedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, parking := memory.New(), memory.NewParking()
		var mu sync.Mutex
		tries := 0
		var stops []func() error
		for range 3 {
			c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: parking}
			on(t, c, "orders.placed", func(context.Context, bus.Delivery) error {
				mu.Lock()
				tries++
				first := tries == 1
				mu.Unlock()
				if first {
					return errors.New("first")
				}
				time.Sleep(5 * memory.Lease)
				return nil
			})
			stops = append(stops, start(t, c))
		}
		publish(t, b, msg("1", "k"))
		time.Sleep(time.Minute)
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		if left := parking.List(); len(left) > 0 || tries != 2 {
			t.Errorf("%d tries, parked %+v", tries, left)
		}
	})
}

// undelayed is a broker that gives a nacked message back at once and does not count.
type undelayed struct{ *memory.Broker }

func (u undelayed) Caps() bus.Caps {
	c := u.Broker.Caps()
	c.Delay, c.Count = false, false
	return c
}

func (u undelayed) Subscribe(ctx context.Context, s bus.Subscription) (bus.Subscriber, error) {
	sub, err := u.Broker.Subscribe(ctx, s)
	return undelayedSubscriber{sub}, err
}

type undelayedSubscriber struct{ bus.Subscriber }

func (u undelayedSubscriber) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	for i := range verdicts {
		verdicts[i].After = 0
	}
	return u.Subscriber.Settle(ctx, verdicts...)
}

func TestABrokerWithoutDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		var log bytes.Buffer
		c := &bus.Consumer{
			Broker: undelayed{b.Connect()}, Group: "g", Retry: bus.Backoff{First: time.Second, Most: 16 * time.Second, Attempts: 10},
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		var tries atomic.Int64
		on(t, c, "orders.placed", func(context.Context, bus.Delivery) error {
			if tries.Add(1) < 4 {
				return errors.New("not yet")
			}
			return nil
		})
		stop := start(t, c)
		publish(t, b, msg("1", "k"))
		time.Sleep(20 * time.Second)
		if n := tries.Load(); n < 2 || n > 3 {
			t.Errorf("%d tries in 20 s, with a delay of 2.5 to 16 s between them", n)
		}
		time.Sleep(time.Minute)
		if n := tries.Load(); n != 4 {
			t.Errorf("%d tries", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		for _, line := range []string{"without a parking", "not yet", "group=g", "message=1"} {
			if !strings.Contains(log.String(), line) {
				t.Errorf("the log does not say %q:\n%s", line, &log)
			}
		}
	})
}

func TestAPanicIsInTheLogWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, parking := memory.New(), memory.NewParking()
		var log bytes.Buffer
		c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: parking, Log: slog.New(slog.NewTextHandler(&log, nil))}
		on(t, c, "orders.placed", func(context.Context, bus.Delivery) error { panic("a bug") })
		stop := start(t, c)
		publish(t, b, msg("1", "k"))
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "consumer_test.go") || !strings.Contains(log.String(), "a bug") {
			t.Errorf("the log says:\n%s", &log)
		}
		if p := parking.List(); len(p) != 1 || !p[0].Dead || strings.Contains(p[0].Error, "consumer_test.go") {
			t.Errorf("%+v", p)
		}
	})
}

func TestMiddlewareAndTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		b := memory.New()
		var order []string
		named := func(name string) bus.Middleware {
			return func(next bus.Handler) bus.Handler {
				return func(ctx context.Context, d bus.Delivery) error {
					order = append(order, name)
					return next(ctx, d)
				}
			}
		}
		c := &bus.Consumer{
			Broker: b.Connect(), Group: "g", Parking: memory.NewParking(), Middleware: []bus.Middleware{named("outer"), named("inner")},
			Traces: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
		}
		on(t, c, "orders.placed", func(ctx context.Context, d bus.Delivery) error {
			order = append(order, "handler")
			if got, ok := bus.FromContext(ctx); !ok || got.ID != d.ID {
				t.Errorf("the context has %+v", got)
			}
			return bus.Final(errors.New("for the span"))
		})
		stop := start(t, c)
		m := msg("1", "k")
		m.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		publish(t, b, m)
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if strings.Join(order, " ") != "outer inner handler" {
			t.Error(order)
		}
		ended := spans.Ended()
		if len(ended) != 1 || ended[0].Name() != "process orders.placed" || ended[0].Parent().SpanID().String() != "b7ad6b7169203331" ||
			ended[0].SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || ended[0].Status().Description != "for the span" {
			t.Errorf("%d spans: %+v", len(ended), ended)
		}
	})
}

func TestWhatAConsumerRefuses(t *testing.T) {
	h := func(context.Context, bus.Delivery) error { return nil }
	b := memory.New()
	c := &bus.Consumer{Broker: b, Group: "g"}
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "handles nothing") {
		t.Error(err)
	}
	on(t, c, "a.b", h)
	for name, err := range map[string]error{
		"twice":     c.On("a.b", h),
		"malformed": c.On("a", h),
		"nil":       c.On("a.c", nil),
		"no broker": (&bus.Consumer{Group: "g"}).Run(t.Context()),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "bus: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ended); err != nil {
		t.Error(err)
	}
	if err := c.Run(ended); err == nil || !strings.Contains(err.Error(), "run before") {
		t.Error(err)
	}
	if err := c.On("a.d", h); err == nil {
		t.Error("On after Run")
	}
	bad := &bus.Consumer{Broker: b, Group: "Not A Group"}
	on(t, bad, "a.b", h)
	if err := bad.Run(t.Context()); !errors.Is(err, bus.ErrInvalid) {
		t.Error(err)
	}
	closed := memory.New()
	closed.Close()
	gone := &bus.Consumer{Broker: closed, Group: "g"}
	on(t, gone, "a.b", h)
	if err := gone.Run(t.Context()); !errors.Is(err, bus.ErrClosed) {
		t.Error(err)
	}
}

// signs counts the signs of life that a consumer gives.
type signs struct {
	*memory.Broker
	given *atomic.Int64
}

func (s signs) Subscribe(ctx context.Context, sub bus.Subscription) (bus.Subscriber, error) {
	inner, err := s.Broker.Subscribe(ctx, sub)
	return signing{inner, s.given}, err
}

type signing struct {
	bus.Subscriber
	given *atomic.Int64
}

func (s signing) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	for _, v := range verdicts {
		if v.Action == bus.InProgress {
			s.given.Add(1)
		}
	}
	return s.Subscriber.Settle(ctx, verdicts...)
}

func TestSignsOfLifeAreForWhatIsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		var given atomic.Int64
		c := &bus.Consumer{Broker: signs{b.Connect(), &given}, Group: "g", Parking: memory.NewParking()}
		on(t, c, "orders.placed", func(_ context.Context, d bus.Delivery) error {
			if d.Key == "slow" {
				time.Sleep(3 * memory.Lease)
			}
			return nil
		})
		stop := start(t, c)
		publish(t, b, msg("1", "k"), msg("2", "slow"))
		time.Sleep(time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if n := given.Load(); n < 8 || n > 9 {
			t.Errorf("%d signs of a message that took three leases", n)
		}
	})
}
