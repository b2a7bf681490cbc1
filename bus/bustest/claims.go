package bustest

import (
	"errors"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
)

// claims are the capabilities, each tried both ways: what is claimed must hold, and
// what is not must be seen to be absent.
func claims() []place.Case {
	return []place.Case{
		{Name: "capabilities are what the target says", Run: capsAreTrue},
		{Name: "order: of one key one is out at a time", Run: claimOrder},
		{Name: "dedup: a known message is not stored again", Run: claimDedup},
		{Name: "count: deliveries are counted", Run: claimCount},
		{Name: "delay: a nack is not delivered before its delay", Run: claimDelay},
		{Name: "later: a message is not delivered before its time", Run: claimLater},
		{Name: "dead: what is terminated is kept", Run: claimDead},
		{Name: "batch: all or none", Run: claimBatch},
		{Name: "max data: so much and no more", Run: claimMaxData},
		{Name: "lease: what is not settled comes again after it", Run: claimLease},
	}
}

func capsAreTrue(p *place.Place) {
	caps := p.Connect().Caps()
	if caps != p.Caps {
		p.Errorf("the driver says %s\nthe target says %s", line(caps), line(p.Caps))
	}
	if caps.MaxData < bus.MaxData || caps.Lease <= 0 {
		p.Errorf("MaxData is %d at least and Lease more than 0: %s", bus.MaxData, line(caps))
	}
}

func claimOrder(p *place.Place) {
	b, b2 := p.Connect(), p.Connect()
	one := p.Join(b, p.Group("g"), p.Topic("a"))
	two := p.Join(b2, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msgs(2, p.Topic("a"), place.OneKey)...)
	first := p.Receive(one, 1)
	if !p.Caps.Order {
		next := p.ReceiveIn(two, 1, p.Caps.Lease/2) // while the first is out
		if next[0].ID == first[0].ID {
			p.Errorf("%s came twice", next[0].ID)
		}
		return
	}
	p.Quiet(two, p.Caps.Lease/4)
	p.Quiet(one, p.Caps.Lease/4)
	p.Settle(one, bus.Ack, 0, first...)
	p.Receive(two, 1)
}

func claimDedup(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	m := p.Msg(p.Topic("a"), "k")
	p.Publish(b, m)
	r := p.Results(b, m)
	if r[0].Err != nil || r[0].Known != p.Caps.Dedup {
		p.Fatalf("published again: %+v", r[0])
	}
	p.Take(sub, 1)
	if !p.Caps.Dedup {
		p.Take(sub, 1)
	}
	p.Quiet(sub, 300*time.Millisecond)
}

func claimCount(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	for i := 1; i <= 3; i++ {
		d := p.Receive(sub, 1)
		want := i
		if !p.Caps.Count {
			want = 1
		}
		if d[0].Count != want {
			p.Fatalf("delivery %d has the count %d, want %d", i, d[0].Count, want)
		}
		p.Settle(sub, bus.Nack, 0, d...)
	}
}

func claimDelay(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	d := p.Receive(sub, 1)
	if !p.Caps.Delay {
		p.Settle(sub, bus.Nack, time.Hour, d...)
		p.Receive(sub, 1)
		return
	}
	const delay = 1500 * time.Millisecond
	start := time.Now()
	p.Settle(sub, bus.Nack, delay, d...)
	p.Receive(sub, 1)
	if waited := time.Since(start); waited < delay-50*time.Millisecond || waited > delay+p.Caps.Lease {
		p.Errorf("it came after %v, and was nacked for %v", waited, delay)
	}
}

func claimLater(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	m := p.Msg(p.Topic("a"), "k")
	if !p.Caps.Later {
		m.NotBefore = time.Now().Add(time.Hour)
		p.Publish(b, m)
		p.Receive(sub, 1)
		return
	}
	m.NotBefore = time.Now().Add(1500 * time.Millisecond)
	p.Publish(b, m)
	d := p.Receive(sub, 1)
	if early := time.Until(m.NotBefore); early > 50*time.Millisecond {
		p.Errorf("it came %v too early", early)
	}
	if !d[0].NotBefore.Equal(m.NotBefore) {
		p.Errorf("its time is %v, and was %v", d[0].NotBefore, m.NotBefore)
	}
}

func claimDead(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	m := p.Publish(b, p.Msg(p.Topic("a"), "k"))[0]
	p.Settle(sub, bus.Term, 0, p.Receive(sub, 1)...)
	p.Quiet(sub, 300*time.Millisecond)
	if p.Target.Dead == nil {
		if p.Caps.Dead {
			p.Fatal("Caps.Dead is claimed, and the target does not say where the dead are")
		}
		return
	}
	kept := func() bool {
		for _, dead := range p.Target.Dead(p.T) {
			if dead.Source == m.Source && dead.ID == m.ID {
				return true
			}
		}
		return false
	}
	if p.Caps.Dead {
		p.Eventually("the dead message", kept)
	} else if kept() {
		p.Error("the dead message is kept, and Caps.Dead is not claimed")
	}
}

func claimBatch(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	batch := p.Msgs(3, p.Topic("a"), place.ManyKeys(3))
	batch[1].Data = make([]byte, bus.MaxData+1)
	r := p.Results(b, batch...)
	if !errors.Is(r[1].Err, bus.ErrTooLarge) {
		p.Errorf("the oversized message: %v", r[1].Err)
	}
	if !p.Caps.Batch {
		p.Same(p.Take(sub, 2), []bus.Msg{batch[0], batch[2]})
		return
	}
	if !errors.Is(r[0].Err, bus.ErrBatch) || !errors.Is(r[2].Err, bus.ErrBatch) {
		p.Errorf("the others of the batch: %v, %v", r[0].Err, r[2].Err)
	}
	p.Quiet(sub, 500*time.Millisecond)
	p.Publish(b, batch[0]) // it is not known: it was not stored
}

func claimMaxData(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	m := p.Msg(p.Topic("a"), "k")
	m.Data = make([]byte, bus.MaxData)
	for i := range m.Data {
		m.Data[i] = byte(i * 31)
	}
	m.Extensions = map[string]string{}
	for i := range 3 { // and attributes with it
		m.Extensions["big"+string(rune('a'+i))] = string(make4096())
	}
	p.Publish(b, m)
	if d := p.Take(sub, 1); !place.Equal(d[0].Msg, m) {
		p.Errorf("the largest message came changed: %d bytes", len(d[0].Data))
	}
	m = p.Msg(p.Topic("a"), "k")
	m.Data = make([]byte, bus.MaxData+1)
	if r := p.Results(b, m); !errors.Is(r[0].Err, bus.ErrTooLarge) {
		p.Errorf("a byte more: %v", r[0].Err)
	}
}

func make4096() []byte {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}

func claimLease(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	p.Receive(sub, 1)
	start := time.Now()
	d := p.ReceiveIn(sub, 1, p.Caps.Lease*3/2+2*time.Second)
	if waited := time.Since(start); waited < p.Caps.Lease/2 {
		p.Errorf("it came again after %v, within the lease of %v", waited, p.Caps.Lease)
	}
	p.Settle(sub, bus.Ack, 0, d...)
	p.Quiet(sub, p.Caps.Lease+time.Second)
}
