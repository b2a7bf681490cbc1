package bustest

import (
	"context"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
)

func leases() []place.Case {
	return []place.Case{
		{Name: "what is acknowledged never comes again", Run: ackIsFinal},
		{Name: "what is terminated never comes again", Run: termIsFinal},
		{Name: "what is nacked comes again at once", Run: nackAtOnce},
		{Name: "a sign of life keeps a slow message", Run: inProgressKeeps},
		{Name: "a lost lease goes to another member", Run: leaseToAnother},
		{Name: "a verdict after the lease does no harm", Run: lateVerdict},
		{Name: "a crash between effect and acknowledgement", Run: crashBeforeAck},
		{Name: "several verdicts in one call", Run: severalVerdicts},
	}
}

func ackIsFinal(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msgs(3, p.Topic("a"), place.OneKey)...)
	p.Take(sub, 3)
	p.Quiet(sub, p.Caps.Lease+time.Second)
	sub.Close()
	p.Quiet(p.Join(p.Connect(), p.Group("g"), p.Topic("a")), 500*time.Millisecond)
}

func termIsFinal(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(2, p.Topic("a"), place.OneKey)...)
	p.Settle(sub, bus.Term, 0, p.Receive(sub, 1)...)
	p.Same(p.Take(sub, 1), all[1:]) // it holds nobody back
	p.Quiet(sub, p.Caps.Lease+time.Second)
}

func nackAtOnce(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	start := time.Now()
	for range 5 {
		p.Settle(sub, bus.Nack, 0, p.Receive(sub, 1)...)
	}
	p.Take(sub, 1)
	if took := time.Since(start); took > p.Caps.Lease {
		p.Errorf("five nacks took %v, as if the lease of %v had been waited for", took, p.Caps.Lease)
	}
}

func inProgressKeeps(p *place.Place) {
	b := p.Connect()
	one, two := p.Join(b, p.Group("g"), p.Topic("a")), p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	d := p.Receive(one, 1)
	for range 7 {
		p.Quiet(two, p.Caps.Lease/3)
		p.Settle(one, bus.InProgress, 0, d...)
	}
	p.Settle(one, bus.Ack, 0, d...)
	p.Quiet(two, p.Caps.Lease+time.Second)
}

func leaseToAnother(p *place.Place) {
	b := p.Connect()
	one, two := p.Join(b, p.Group("g"), p.Topic("a")), p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(2, p.Topic("a"), place.OneKey)...)
	p.Receive(one, 1) // and nothing more is heard
	got := p.Take(two, 2)
	p.InOrder(place.Messages(got), all)
	if p.Caps.Order && p.Caps.Count && got[0].Count != 2 {
		p.Errorf("its count is %d, want 2", got[0].Count)
	}
}

func lateVerdict(p *place.Place) {
	if !p.Caps.Order {
		p.Skip("the broker holds no order")
	}
	b := p.Connect()
	one, two := p.Join(b, p.Group("g"), p.Topic("a")), p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(2, p.Topic("a"), place.OneKey)...)
	late := p.Receive(one, 1)
	now := p.Receive(two, 1)
	ctx, cancel := context.WithTimeout(p.Context(), p.Caps.Lease/4)
	defer cancel()
	// Whether the broker takes the word of the first, or says that it is too late, no
	// message is lost and none passes another.
	_ = one.Settle(ctx, bus.Verdict{Delivery: late[0], Action: bus.InProgress})
	_ = one.Settle(ctx, bus.Verdict{Delivery: late[0], Action: bus.Nack})
	_ = two.Settle(ctx, bus.Verdict{Delivery: now[0], Action: bus.InProgress})
	_ = one.Settle(ctx, bus.Verdict{Delivery: late[0], Action: bus.Ack})
	_ = two.Settle(ctx, bus.Verdict{Delivery: now[0], Action: bus.Ack})
	for {
		d := p.Take(two, 1)
		if d[0].ID == all[1].ID {
			break
		}
		if d[0].ID != all[0].ID {
			p.Fatalf("%s came", d[0].ID)
		}
	}
}

func crashBeforeAck(p *place.Place) {
	dies, lives := p.Connect(), p.Connect()
	all := p.Publish(lives, p.Msgs(4, p.Topic("a"), place.OneKey)...)
	first := p.Join(dies, p.Group("g"), p.Topic("a"))
	had := p.Receive(first, 1) // its effect is there
	dies.Close()
	got := p.Take(p.Join(lives, p.Group("g"), p.Topic("a")), 4)
	p.InOrder(place.Messages(got), all)
	if p.Caps.Order && got[0].ID != had[0].ID {
		p.Errorf("%s came first, not %s again", got[0].ID, had[0].ID)
	}
}

func severalVerdicts(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msgs(40, p.Topic("a"), place.ManyKeys(40))...)
	d := p.Receive(sub, 3)
	ctx, cancel := context.WithTimeout(p.Context(), place.Patience)
	defer cancel()
	err := sub.Settle(ctx, bus.Verdict{Delivery: d[0]}, bus.Verdict{Delivery: d[1], Action: bus.Nack}, bus.Verdict{Delivery: d[2], Action: bus.Term})
	if err != nil {
		p.Fatal(err)
	}
	again := false
	for _, m := range p.Take(sub, 38) {
		again = again || m.ID == d[1].ID
		if m.ID == d[0].ID || m.ID == d[2].ID {
			p.Errorf("%s came again", m.ID)
		}
	}
	if !again {
		p.Error("the nacked one did not come again")
	}
	p.Quiet(sub, 300*time.Millisecond)
	if err := sub.Settle(ctx); err != nil {
		p.Errorf("no verdicts: %v", err)
	}
}
