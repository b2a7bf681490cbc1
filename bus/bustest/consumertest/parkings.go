package consumertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
	"github.com/musterdev/muster/bus/memory"
)

// Parkings are what becomes of messages that cannot be handled.
func Parkings() []place.Case {
	return []place.Case{
		{Name: "parking: a message that fails is tried again", Run: parkedRetry},
		{Name: "parking: a key waits while the others flow", Run: parkedKey},
		{Name: "parking: a dead message holds its key until it is redriven", Run: deadLetter},
		{Name: "parking: a final failure is dead at once", Run: finalIsDead},
		{Name: "parking: a panic is dead at once", Run: panicIsDead},
		{Name: "parking: data that cannot be decoded are dead at once", Run: undecodableIsDead},
		{Name: "parking: a topic without a handler is dead by name", Run: noHandlerIsDead},
		{Name: "parking: a message without a key holds nobody", Run: keylessHoldsNobody},
		{Name: "parking: order per key over replicas that fail by chance", Run: parkedOrder},
	}
}

// dead waits until a message is dead, and returns it.
func dead(p *place.Place, parking *memory.Parking, m bus.Msg) bus.Parked {
	p.Helper()
	var found bus.Parked
	p.Eventually("the message to be dead", func() bool {
		for _, e := range parking.List() {
			if e.ID == m.ID && e.Dead {
				found = e
			}
		}
		return found.Dead
	})
	return found
}

func parkedRetry(p *place.Place) {
	b := p.Connect()
	parking := memory.NewParking()
	var r place.Record
	var counts sync.Map
	p.Consume(p.Member(parking), func(ctx context.Context, d bus.Delivery) error {
		if counts.Store(d.Count, true); d.Count < 3 {
			return fmt.Errorf("try %d fails", d.Count)
		}
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	m := p.Publish(b, p.Msg(p.Topic("a"), "k"))[0]
	p.Eventually("success at the third try", r.Has(1))
	if got := r.Messages()[0]; !place.Equal(got, m) {
		p.Errorf("it came back from the parking as %v %q", got.Attributes(), got.Data)
	}
	p.Eventually("an empty parking", func() bool { return len(parking.List()) == 0 })
	for i := 1; i <= 3; i++ {
		if _, ok := counts.Load(i); !ok {
			p.Errorf("there was no try %d", i)
		}
	}
}

func parkedKey(p *place.Place) {
	b := p.Connect()
	parking := memory.NewParking()
	var r place.Record
	var heal atomic.Bool
	c := p.Member(parking)
	c.Retry.Attempts = 1000
	p.Consume(c, func(ctx context.Context, d bus.Delivery) error {
		if d.Key == "key-3" && !heal.Load() {
			return errors.New("this key is ill")
		}
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	all := p.Publish(b, p.Msgs(60, p.Topic("a"), place.ManyKeys(6))...)
	p.Eventually("the 50 of the other keys", r.Has(50))
	p.Eventually("the 10 to be parked", func() bool { return len(parking.List()) == 10 })
	watch := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Eventually("nothing left at the broker", func() bool { return p.Lag(watch).Messages == 0 })
	heal.Store(true)
	p.Eventually("all 60", r.Has(60))
	p.InOrder(r.Messages(), all)
}

func deadLetter(p *place.Place) {
	b := p.Connect()
	parking := memory.NewParking()
	var r place.Record
	var heal atomic.Bool
	var tries atomic.Int64
	p.Consume(p.Member(parking), func(ctx context.Context, d bus.Delivery) error {
		if d.Key == "poison" && !heal.Load() {
			tries.Add(1)
			return errors.New("poison")
		}
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	all := p.Publish(b, p.Msg(p.Topic("a"), "poison"), p.Msg(p.Topic("a"), "poison"), p.Msg(p.Topic("a"), "k"))
	e := dead(p, parking, all[0])
	if e.Attempts != place.Soon().Attempts || tries.Load() != int64(e.Attempts) || e.Error != "poison" || e.Group != p.Group("g") {
		p.Errorf("after %d tries: %+v", tries.Load(), e)
	}
	p.Eventually("the other key", r.Has(1))
	p.Eventually("the later one behind it", func() bool { return len(parking.List()) == 2 })
	time.Sleep(2 * place.Soon().Most) // long enough for another try, if there were one
	if tries.Load() != int64(e.Attempts) {
		p.Error("a dead message, or one behind it, was tried")
	}
	heal.Store(true)
	if n := parking.Redrive(p.Group("g")); n != 1 {
		p.Errorf("%d redriven", n)
	}
	p.Eventually("all three", r.Has(3))
	p.InOrder(r.Messages(), all)
}

// diesAtOnce has one handler that cannot succeed, and checks that it is called once.
func diesAtOnce(p *place.Place, says string, m bus.Msg, h bus.Handler) {
	p.Helper()
	b := p.Connect()
	parking := memory.NewParking()
	var tries atomic.Int64
	p.Consume(p.Member(parking), func(ctx context.Context, d bus.Delivery) error {
		tries.Add(1)
		return h(ctx, d)
	}, p.Topic("a"))
	p.Publish(b, m)
	e := dead(p, parking, m)
	if tries.Load() != 1 || !strings.Contains(e.Error, says) {
		p.Errorf("after %d tries: %q, want %q", tries.Load(), e.Error, says)
	}
}

func finalIsDead(p *place.Place) {
	diesAtOnce(p, "this can never be", p.Msg(p.Topic("a"), "k"), func(context.Context, bus.Delivery) error {
		return fmt.Errorf("wrapped: %w", bus.Final(errors.New("this can never be")))
	})
}

func panicIsDead(p *place.Place) {
	diesAtOnce(p, "a bug", p.Msg(p.Topic("a"), "k"), func(context.Context, bus.Delivery) error {
		panic("a bug")
	})
}

func undecodableIsDead(p *place.Place) {
	m := p.Msg(p.Topic("a"), "k")
	m.ContentType, m.Data = "application/json", []byte(`{"N": "no number"}`)
	diesAtOnce(p, "no event of "+p.Topic("a"), m, bus.Typed(bus.Topic[struct{ N int }]{Name: p.Topic("a")},
		func(context.Context, bus.Delivery, struct{ N int }) error { return nil }))
}

func noHandlerIsDead(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"), p.Topic("b")) // as a replica of another version has
	sub.Close()
	parking := memory.NewParking()
	var r place.Record
	p.Consume(p.Member(parking), r.Handle, p.Topic("a"))
	all := p.Publish(b, p.Msg(p.Topic("b"), "k"), p.Msg(p.Topic("a"), "other"))
	e := dead(p, parking, all[0])
	if !strings.Contains(e.Error, "no handler for "+p.Topic("b")) {
		p.Errorf("it says %q", e.Error)
	}
	p.Eventually("the other", r.Has(1))
}

func keylessHoldsNobody(p *place.Place) {
	b := p.Connect()
	parking := memory.NewParking()
	var r place.Record
	p.Consume(p.Member(parking), func(ctx context.Context, d bus.Delivery) error {
		if d.Subject == "poison" {
			return bus.Final(errors.New("poison"))
		}
		return r.Handle(ctx, d)
	}, p.Topic("a"))
	all := p.Msgs(10, p.Topic("a"), func(int) string { return "" })
	all[0].Subject = "poison"
	p.Publish(b, all...)
	dead(p, parking, all[0])
	p.Eventually("the other nine", r.Has(9))
}

// parkedOrder has three replicas that share a parking and fail by chance, one of which
// crashes: of each key the first success of each message comes in the order of their
// publication.
func parkedOrder(p *place.Place) {
	const keys, each = 12, 10
	b := p.Connect()
	parking := memory.NewParking()
	var r place.Record
	var mu sync.Mutex
	done := map[string]bool{}
	random := rand.New(rand.NewPCG(2026, 11))
	handle := func(ctx context.Context, d bus.Delivery) error {
		mu.Lock()
		first := !done[d.ID]
		fails := random.IntN(6) == 0
		if !fails && first { // its effect
			done[d.ID] = true
			_ = r.Handle(ctx, d)
		}
		late := random.IntN(10) == 0
		mu.Unlock()
		switch {
		case fails:
			return errors.New("by chance")
		case late && first:
			return errors.New("after the effect")
		}
		return nil
	}
	members := make([]*bus.Consumer, 3)
	for i := range members {
		members[i] = p.Member(parking)
		members[i].Retry.Attempts = 1000
		p.Consume(members[i], handle, p.Topic("a"), p.Topic("b"))
	}
	var all []bus.Msg
	for i := range keys * each {
		all = append(all, p.Msg(p.Topic([]string{"a", "b"}[i/keys%2]), fmt.Sprintf("key-%d", i%keys)))
	}
	p.Publish(b, all[:len(all)/2]...)
	p.Eventually("a third", r.Has(len(all)/3))
	members[0].Broker.Close()
	p.Publish(b, all[len(all)/2:]...)
	p.Eventually("all", r.Has(len(all)))
	p.InOrder(r.Messages(), all)
	p.Eventually("an empty parking", func() bool { return len(parking.List()) == 0 })
}
