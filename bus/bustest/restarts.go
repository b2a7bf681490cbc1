package bustest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
	"github.com/musterdev/muster/bus/memory"
)

// restarts are what a restart of the broker must not disturb.
func restarts() []place.Case {
	return []place.Case{
		{Name: "restart: what was stored is there", Run: restartKeeps},
		{Name: "restart: what was settled never comes again", Run: restartKeepsPlace},
		{Name: "restart: a known message stays known", Run: restartKnows},
		{Name: "restart: publishing waits for the broker", Run: restartPublish},
		{Name: "restart: consumers go on, in order, and nothing is lost", Run: restartConsumers},
		{Name: "restart: what was in hand comes again", Run: restartInHand},
	}
}

func restartKeeps(p *place.Place) {
	b := p.Connect()
	all := p.Publish(b, p.Msgs(50, p.Topic("a"), place.ManyKeys(5))...)
	p.Restart(p.T)
	p.InOrder(place.Messages(p.Take(p.Join(b, p.Group("g"), p.Topic("a")), 50)), all)
}

func restartKeepsPlace(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(20, p.Topic("a"), place.OneKey)...)
	p.Take(sub, 12)
	p.Restart(p.T)
	p.InOrder(place.Messages(p.Take(sub, 8)), all[12:])
	p.Quiet(sub, p.Caps.Lease+time.Second)
}

func restartKnows(p *place.Place) {
	if !p.Caps.Dedup {
		p.Skip("the broker does not know messages again")
	}
	b := p.Connect()
	m := p.Publish(b, p.Msg(p.Topic("a"), "k"))[0]
	p.Restart(p.T)
	if r := p.Results(b, m); r[0].Err != nil || !r[0].Known {
		p.Errorf("published again: %+v", r[0])
	}
}

// restartPublish publishes one call after the other while the broker restarts.
func restartPublish(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	ctx, cancel := context.WithCancel(p.Context())
	defer cancel()
	published := make(chan []bus.Msg, 1)
	go func() {
		var all []bus.Msg
		defer func() { published <- all }()
		for ctx.Err() == nil {
			batch := p.Msgs(3, p.Topic("a"), place.ManyKeys(2))
			for i, r := range b.Publish(p.Context(), batch) {
				if r.Err != nil { // Known, where an answer was lost
					p.Errorf("message %d: %v", len(all)+i, r.Err)
					return
				}
			}
			all = append(all, batch...)
			time.Sleep(2 * time.Millisecond) // a moment, so that the log does not grow without bound
		}
	}()
	first := p.Take(sub, 3) // of whatever keys
	p.Restart(p.T)
	time.Sleep(300 * time.Millisecond) // some calls more
	cancel()
	all := place.Await(p, "the publisher", published)
	if !p.Caps.Dedup {
		return
	}
	p.InOrder(place.Messages(append(first, p.Take(sub, len(all)-3)...)), all)
	p.Quiet(sub, 300*time.Millisecond)
}

func restartConsumers(p *place.Place) {
	b := p.Connect()
	var r place.Record
	seen := map[string]bool{}
	var mu sync.Mutex
	handle := func(ctx context.Context, d bus.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		if seen[d.ID] { // an inbox
			return nil
		}
		seen[d.ID] = true
		return r.Handle(ctx, d)
	}
	parking := memory.NewParking()
	p.Consume(p.Member(parking), handle, p.Topic("a"))
	p.Consume(p.Member(parking), handle, p.Topic("a"))
	all := p.Publish(b, p.Msgs(200, p.Topic("a"), place.ManyKeys(20))...)
	p.Eventually("some", r.Has(20))
	p.Restart(p.T)
	all = append(all, p.Publish(b, p.Msgs(200, p.Topic("a"), place.ManyKeys(20))...)...)
	p.Eventually("all 400", r.Has(400))
	p.InOrder(r.Messages(), all)
}

func restartInHand(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(2, p.Topic("a"), place.OneKey)...)
	d := p.Receive(sub, 1)
	p.Restart(p.T)
	ctx, cancel := context.WithTimeout(p.Context(), p.Caps.Lease)
	defer cancel()
	err := sub.Settle(ctx, bus.Verdict{Delivery: d[0]})
	if errors.Is(err, bus.ErrClosed) {
		p.Errorf("the subscriber did not outlive the restart: %v", err)
	}
	if err == nil { // the broker took it
		all = all[1:]
	}
	got := place.Messages(p.Take(sub, len(all)))
	p.InOrder(got, all)
}
