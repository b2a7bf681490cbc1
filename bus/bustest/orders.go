package bustest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
)

func orders() []place.Case {
	return []place.Case{
		{Name: "order per key with one member", Run: orderOneMember},
		{Name: "order per key across replicas, whatever they do", Run: orderReplicas},
		{Name: "order across the topics of one stream", Run: orderAcrossTopics},
		{Name: "a nacked message holds back its key", Run: nackHoldsKey},
		{Name: "a nacked message with a delay holds back its key", Run: delayHoldsKey},
		{Name: "order holds from batch to batch", Run: orderOfBatches},
		{Name: "a slow message does not hold the other keys", Run: slowHoldsOnlyItsKey},
		{Name: "messages without a key are handled side by side", Run: noKeySideBySide},
	}
}

func orderOneMember(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(200, p.Topic("a"), place.ManyKeys(7))...)
	p.InOrder(place.Messages(p.Take(sub, 200)), all)
}

// orderReplicas has members that acknowledge, refuse, delay, forget, leave and come
// back by chance. Whatever a member is given, all before it of the same key must have
// been acknowledged.
func orderReplicas(p *place.Place) {
	if !p.Caps.Order {
		p.Skip("the broker holds no order")
	}
	const members, keys, each = 3, 24, 12
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"), p.Topic("b"))
	l := &ledger{Place: p, spots: map[string]spot{}, settled: map[string]int{}, left: keys * each, done: make(chan struct{})}
	var all []bus.Msg
	for i := range keys * each {
		m := p.Msg(p.Topic([]string{"a", "b"}[i/keys%2]), fmt.Sprintf("key-%d", i%keys))
		l.spots[m.ID] = spot{m.Key, i / keys}
		all = append(all, m)
	}
	sub.Close()
	var working sync.WaitGroup
	for i := range members {
		working.Go(func() { l.member(rand.New(rand.NewPCG(2026, uint64(i)))) })
	}
	for len(all) > 0 { // in batches, while the members work
		n := min(len(all), 17)
		p.Publish(b, all[:n]...)
		all = all[n:]
	}
	select {
	case <-l.done:
	case <-time.After(3 * place.Patience):
		p.Errorf("%d messages were never settled", l.remaining())
		l.finish()
	}
	working.Wait()
}

// ledger is what was settled so far, by key.
type ledger struct {
	*place.Place
	spots map[string]spot // of each message, by ID

	mu      sync.Mutex
	settled map[string]int // of each key, from the first on
	left    int
	crashes int
	done    chan struct{}
	once    sync.Once
}

type spot struct {
	key string
	nth int
}

func (l *ledger) finish() { l.once.Do(func() { close(l.done) }) }

func (l *ledger) remaining() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

// came checks that a delivery is in order.
func (l *ledger) came(d bus.Delivery) {
	s := l.spots[d.ID]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled[s.key] < s.nth {
		l.Errorf("%s: the message %d came (count %d) when %d of its key were settled", s.key, s.nth, d.Count, l.settled[s.key])
		l.finish()
	}
}

// acknowledged is called before the broker is told, for then the next may come.
func (l *ledger) acknowledged(d bus.Delivery) {
	s := l.spots[d.ID]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled[s.key] == s.nth {
		l.settled[s.key]++
		if l.left--; l.left == 0 {
			l.finish()
		}
	}
}

// mayCrash allows a few crashes in all, as each takes a lease.
func (l *ledger) mayCrash() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crashes++
	return l.crashes <= 3
}

func (l *ledger) member(random *rand.Rand) {
	ctx, cancel := context.WithCancel(l.Context())
	defer cancel()
	go func() {
		select {
		case <-l.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		b := l.Open(l.T)
		sub, err := b.Subscribe(ctx, bus.Subscription{Group: l.Group("g"), Topics: []string{l.Topic("a"), l.Topic("b")}})
		if err == nil {
			l.work(ctx, sub, random)
		} else if ctx.Err() == nil {
			l.Errorf("joining: %v", err)
			l.finish()
		}
		b.Close() // with what it had
	}
}

// work handles messages until the member crashes or ctx ends.
func (l *ledger) work(ctx context.Context, sub bus.Subscriber, random *rand.Rand) {
	for {
		got, err := sub.Receive(ctx, 1+random.IntN(8))
		if err != nil {
			if ctx.Err() == nil {
				l.Errorf("receiving: %v", err)
				l.finish()
			}
			return
		}
		for _, d := range got {
			l.came(d)
		}
		for _, d := range got {
			v := bus.Verdict{Delivery: d}
			switch n := random.IntN(40); {
			case n == 0 && l.mayCrash():
				return
			case n < 4:
				v.Action = bus.Nack
			case n < 6:
				v.Action, v.After = bus.Nack, time.Duration(random.IntN(30))*time.Millisecond
			default:
				l.acknowledged(d)
			}
			_ = sub.Settle(ctx, v) // a failure is what the next delivery shows
		}
	}
}

func orderAcrossTopics(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("*"), p.Topic("a.b"))
	topics := []string{p.Topic("c"), p.Topic("a"), p.Topic("a.b"), p.Topic("d")}
	var all []bus.Msg
	for i := range 80 {
		all = append(all, p.Msg(topics[i*7%4], fmt.Sprintf("key-%d", i%3)))
	}
	p.Publish(b, all...)
	p.InOrder(place.Messages(p.Take(sub, 80)), all)
}

func nackHoldsKey(p *place.Place) {
	if !p.Caps.Order {
		p.Skip("the broker holds no order")
	}
	b := p.Connect()
	one, two := p.Join(b, p.Group("g"), p.Topic("a")), p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(3, p.Topic("a"), place.OneKey)...)
	for range 4 {
		d := p.Receive(one, 1)
		if d[0].ID != all[0].ID {
			p.Fatalf("%s passed %s", d[0].ID, all[0].ID)
		}
		p.Settle(one, bus.Nack, 0, d...)
		one, two = two, one
	}
	p.InOrder(place.Messages(p.Take(one, 3)), all)
}

func delayHoldsKey(p *place.Place) {
	if !p.Caps.Order || !p.Caps.Delay {
		p.Skip("the broker holds no order, or no delay")
	}
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(2, p.Topic("a"), place.OneKey)...)
	p.Settle(sub, bus.Nack, time.Second, p.Receive(sub, 1)...)
	p.Quiet(sub, 500*time.Millisecond)
	p.InOrder(place.Messages(p.Take(sub, 2)), all)
}

func orderOfBatches(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	var all []bus.Msg
	for i := range 12 {
		all = append(all, p.Publish(b, p.Msgs(1+i*5%17, p.Topic("a"), place.ManyKeys(2))...)...)
	}
	p.InOrder(place.Messages(p.Take(sub, len(all))), all)
}

func slowHoldsOnlyItsKey(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "slow"))
	slow := p.Receive(sub, 1)
	const others = 64
	p.Publish(b, p.Msgs(others, p.Topic("a"), place.ManyKeys(others))...)
	// Brokers keep several keys in one order: the few that share the slow one's may wait.
	ctx, cancel := context.WithTimeout(p.Context(), p.Caps.Lease*3/4)
	defer cancel()
	n := 0
	for n < others*3/4 {
		got, err := sub.Receive(ctx, 8)
		if err != nil {
			p.Fatalf("only %d of %d messages of other keys came beside a slow one", n, others)
		}
		p.Settle(sub, bus.Ack, 0, got...)
		n += len(got)
	}
	p.Settle(sub, bus.Ack, 0, slow...)
	p.Take(sub, others-n)
}

func noKeySideBySide(p *place.Place) {
	b := p.Connect()
	one, two := p.Join(b, p.Group("g"), p.Topic("a")), p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(64, p.Topic("a"), func(int) string { return "" })...)
	got := append(p.Receive(one, 2), p.Receive(two, 2)...) // four are out
	p.Settle(one, bus.Ack, 0, got[:2]...)
	p.Settle(two, bus.Ack, 0, got[2:]...)
	p.Same(append(got, p.Take(one, 60)...), all)
}
