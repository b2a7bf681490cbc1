// Package consumertest has the cases about what the Consumer makes of a broker; package
// bustest runs them with its own.
package consumertest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
	"github.com/musterdev/muster/bus/memory"
)

// Consumers are what the Consumer makes of the broker.
func Consumers() []place.Case {
	return []place.Case{
		{Name: "consumer: each message is handled and settled", Run: consumerHandles},
		{Name: "consumer: an event keeps its cause and trace", Run: consumerCauses},
		{Name: "consumer: the topics of a stream in order, each to its handler", Run: consumerRoutes},
		{Name: "consumer: a slow handler is kept alive", Run: consumerSlow},
		{Name: "consumer: no more handlers than workers", Run: consumerWorkers},
		{Name: "consumer: a crash gives its messages to another", Run: consumerCrash},
		{Name: "consumer: what is in hand is finished when it ends", Run: consumerDrains},
		{Name: "consumer: a message is not handled before its time", Run: consumerLater},
		{Name: "consumer: without a parking a message comes until it succeeds", Run: consumerNacks},
		{Name: "consumer: without a parking a final failure", Run: consumerFinalNack},
		{Name: "consumer: when the parking fails nothing is lost", Run: consumerParkingFails},
		{Name: "consumer: it tells the lag", Run: consumerLag},
	}
}

func consumerHandles(p *place.Place) {
	b := p.Connect()
	var r place.Record
	p.Consume(p.Member(memory.NewParking()), r.Handle, p.Topic("a"))
	p.Consume(p.Member(memory.NewParking()), r.Handle, p.Topic("a"))
	all := p.Publish(b, p.Msgs(200, p.Topic("a"), place.ManyKeys(30))...)
	p.Eventually("200 messages", r.Has(200))
	watch := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Eventually("no lag", func() bool { return p.Lag(watch).Messages == 0 })
	p.InOrder(r.Messages(), all)
}

func consumerCauses(p *place.Place) {
	type event struct{ N int }
	asked, answered := bus.Topic[event]{Name: p.Topic("asked")}, bus.Topic[event]{Name: p.Topic("answered")}
	b := p.Connect()
	var r place.Record
	p.Consume(p.Member(nil), bus.Typed(asked, func(ctx context.Context, _ bus.Delivery, e event) error {
		m, err := answered.Msg(ctx, "k", event{e.N + 1})
		if err != nil {
			return err
		}
		m.Source = "/answers"
		return b.Publish(ctx, []bus.Msg{m})[0].Err
	}), asked.Name)
	last := p.Member(nil)
	last.Group = p.Group("last")
	p.Consume(last, r.Handle, answered.Name)
	m, err := asked.Msg(p.Context(), "k", event{41})
	if err != nil {
		p.Fatal(err)
	}
	m.Source, m.Correlation = "/asks", "the-whole"
	m.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	p.Publish(b, m)
	p.Eventually("the answer", r.Has(1))
	got := r.Messages()[0]
	e, err := answered.Decode(got)
	if err != nil || e.N != 42 {
		p.Errorf("the answer is %v, %v", e, err)
	}
	if got.Causation != m.ID || got.Correlation != "the-whole" || len(got.TraceParent) != len(m.TraceParent) || got.TraceParent[:35] != m.TraceParent[:35] {
		p.Errorf("cause %q, correlation %q, trace %q", got.Causation, got.Correlation, got.TraceParent)
	}
}

func consumerRoutes(p *place.Place) {
	b := p.Connect()
	var r place.Record
	var wrong atomic.Int64
	c := p.Member(memory.NewParking())
	for pattern, topic := range map[string]string{p.Topic("a"): p.Topic("a"), p.Topic("*"): p.Topic("b"), p.Topic("*.c"): p.Topic("x.c")} {
		if err := c.On(pattern, func(ctx context.Context, d bus.Delivery) error {
			if d.Topic != topic {
				wrong.Add(1)
			}
			return r.Handle(ctx, d)
		}); err != nil {
			p.Fatal(err)
		}
	}
	p.Consume(c, nil)
	var all []bus.Msg
	for i := range 60 {
		all = append(all, p.Msg([]string{p.Topic("a"), p.Topic("b"), p.Topic("x.c")}[i*5%3], place.ManyKeys(4)(i/3)))
	}
	p.Publish(b, all...)
	p.Eventually("60 messages", r.Has(60))
	p.InOrder(r.Messages(), all)
	if wrong.Load() > 0 {
		p.Errorf("%d came to another handler", wrong.Load())
	}
}

func consumerSlow(p *place.Place) {
	b := p.Connect()
	var r place.Record
	slow := func(ctx context.Context, d bus.Delivery) error {
		_ = r.Handle(ctx, d)
		select {
		case <-time.After(2*p.Caps.Lease + p.Caps.Lease/2):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.Consume(p.Member(memory.NewParking()), slow, p.Topic("a"))
	p.Consume(p.Member(memory.NewParking()), slow, p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	watch := p.Join(b, p.Group("other"), p.Topic("a"))
	p.Take(watch, 1)
	p.Eventually("the message", r.Has(1))
	group := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Quiet(group, 3*p.Caps.Lease)
	if n := len(r.Messages()); n != 1 {
		p.Errorf("it was handled %d times", n)
	}
}

func consumerWorkers(p *place.Place) {
	b := p.Connect()
	p.Publish(b, p.Msgs(60, p.Topic("a"), place.ManyKeys(60))...)
	var now, most atomic.Int64
	var r place.Record
	c := p.Member(memory.NewParking())
	c.Workers = 3
	p.Consume(c, func(ctx context.Context, d bus.Delivery) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m; m = most.Load() {
			most.CompareAndSwap(m, n)
		}
		time.Sleep(5 * time.Millisecond) // long enough to meet the others
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	p.Eventually("60 messages", r.Has(60))
	if most.Load() > 3 || most.Load() < 2 {
		p.Errorf("%d were handled at a time, with 3 workers", most.Load())
	}
}

func consumerCrash(p *place.Place) {
	b := p.Connect()
	dies := p.Member(memory.NewParking())
	began := make(chan string, 10)
	p.Consume(dies, func(ctx context.Context, d bus.Delivery) error {
		began <- d.ID
		<-ctx.Done()
		return context.Cause(ctx)
	}, p.Topic("a"))
	all := p.Publish(b, p.Msgs(3, p.Topic("a"), place.OneKey)...)
	if first := place.Await(p, "a handler", began); first != all[0].ID && p.Caps.Order {
		p.Errorf("%s came first", first)
	}
	dies.Broker.Close() // as a process that is killed does
	var r place.Record
	p.Consume(p.Member(memory.NewParking()), r.Handle, p.Topic("a"))
	p.Eventually("all three", r.Has(3))
	p.InOrder(r.Messages(), all)
}

func consumerDrains(p *place.Place) {
	b := p.Connect()
	began, end := make(chan bool), make(chan bool)
	var r place.Record
	stop := p.Consume(p.Member(memory.NewParking()), func(ctx context.Context, d bus.Delivery) error {
		close(began)
		<-end
		if err := ctx.Err(); err != nil {
			p.Errorf("its context ended: %v", err)
		}
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	place.Await(p, "the handler", began)
	time.AfterFunc(300*time.Millisecond, func() { close(end) })
	stop()
	if !r.Has(1)() {
		p.Error("Run ended before the handler")
	}
	p.Quiet(p.Join(b, p.Group("g"), p.Topic("a")), p.Caps.Lease+time.Second)
}

func consumerLater(p *place.Place) {
	b := p.Connect()
	var r place.Record
	var early atomic.Int64
	parking := memory.NewParking()
	p.Consume(p.Member(parking), func(ctx context.Context, d bus.Delivery) error {
		if time.Until(d.NotBefore) > 50*time.Millisecond {
			early.Add(1)
		}
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	all := p.Msgs(3, p.Topic("a"), place.OneKey)
	all[1].NotBefore = time.Now().Add(1500 * time.Millisecond)
	all = append(all, p.Msgs(3, p.Topic("a"), func(int) string { return "" })...)
	all[4].NotBefore = all[1].NotBefore
	p.Publish(b, all...)
	p.Eventually("the six", r.Has(6))
	if early.Load() > 0 {
		p.Errorf("%d were handled too early", early.Load())
	}
	if !p.Caps.Later { // a broker that can may let later ones of the key pass meanwhile
		p.InOrder(byOneKey(r.Messages(), "k"), all[:3])
	}
	p.Eventually("an empty parking", func() bool { return len(parking.List()) == 0 })
}

func byOneKey(msgs []bus.Msg, key string) []bus.Msg {
	var all []bus.Msg
	for _, m := range msgs {
		if m.Key == key {
			all = append(all, m)
		}
	}
	return all
}

func consumerNacks(p *place.Place) {
	b := p.Connect()
	var r place.Record
	var tries atomic.Int64
	p.Consume(p.Member(nil), func(ctx context.Context, d bus.Delivery) error {
		if tries.Add(1) < 6 {
			return errors.New("not yet")
		}
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	all := p.Publish(b, p.Msgs(3, p.Topic("a"), place.OneKey)...)
	p.Eventually("all three", r.Has(3))
	p.InOrder(r.Messages(), all)
	if p.Caps.Order && tries.Load() != 8 {
		p.Errorf("%d tries, want 8", tries.Load())
	}
}

func consumerFinalNack(p *place.Place) {
	b := p.Connect()
	var tries atomic.Int64
	p.Consume(p.Member(nil), func(context.Context, bus.Delivery) error {
		tries.Add(1)
		return bus.Final(errors.New("never"))
	}, p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	watch := p.Join(b, p.Group("g"), p.Topic("a"))
	if p.Caps.Dead {
		p.Eventually("the message to be dead at the broker", func() bool { return tries.Load() == 1 && p.Lag(watch).Messages == 0 })
		return
	}
	p.Eventually("more tries than the policy has", func() bool { return tries.Load() > 4 })
	if p.Lag(watch).Messages != 1 {
		p.Error("the message is lost")
	}
}

// broken is a parking that fails while it is told to.
type broken struct {
	*memory.Parking
	fails atomic.Bool
}

var errBroken = errors.New("the parking's database is away")

func (b *broken) Park(ctx context.Context, m bus.Parked) error {
	if b.fails.Load() {
		return errBroken
	}
	return b.Parking.Park(ctx, m)
}

func (b *broken) Held(ctx context.Context, group, key string) (bool, error) {
	if b.fails.Load() {
		return false, errBroken
	}
	return b.Parking.Held(ctx, group, key)
}

func consumerParkingFails(p *place.Place) {
	b := p.Connect()
	parking := &broken{Parking: memory.NewParking()}
	parking.fails.Store(true)
	var r place.Record
	p.Consume(p.Member(parking), r.Handle, p.Topic("a"))
	all := p.Publish(b, p.Msgs(5, p.Topic("a"), place.OneKey)...)
	time.Sleep(300 * time.Millisecond) // some tries while it is away
	if len(r.Messages()) > 0 {
		p.Error("a message was handled, and it is not known whether others of its key wait")
	}
	parking.fails.Store(false)
	p.Eventually("all five", r.Has(5))
	p.InOrder(r.Messages(), all)
}

func consumerLag(p *place.Place) {
	b := p.Connect()
	c := p.Member(memory.NewParking())
	if _, err := c.Lag(p.Context()); err == nil {
		p.Error("a consumer that does not run tells its lag")
	}
	end := make(chan bool)
	p.Consume(c, func(context.Context, bus.Delivery) error {
		<-end
		return nil
	}, p.Topic("a"))
	p.Publish(b, p.Msgs(5, p.Topic("a"), place.OneKey)...)
	is := func(n int64) func() bool {
		return func() bool {
			lag, err := c.Lag(p.Context())
			return err == nil && lag.Messages == n
		}
	}
	p.Eventually("a lag of 5", is(5))
	close(end)
	p.Eventually("no lag", is(0))
}
