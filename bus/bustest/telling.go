package bustest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
)

func telling() []place.Case {
	return []place.Case{
		{Name: "lag counts what is not settled", Run: lagCounts},
		{Name: "lag tells the age of the oldest", Run: lagAge},
		{Name: "admin tells the topics", Run: adminTopics},
		{Name: "admin tells the groups", Run: adminGroups},
	}
}

func lagCounts(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	if lag := p.Lag(sub); lag != (bus.Lag{}) {
		p.Errorf("nothing was published: %+v", lag)
	}
	p.Publish(b, p.Msgs(40, p.Topic("a"), place.ManyKeys(40))...)
	p.Publish(b, p.Msg(p.Topic("other"), "k")) // the group does not want it
	is := func(n int64) func() bool { return func() bool { return p.Lag(sub).Messages == n } }
	p.Eventually("a lag of 40", is(40))
	d := p.Receive(sub, 2)
	p.Eventually("a lag of 40 with two in hand", is(40))
	p.Settle(sub, bus.Ack, 0, d...)
	p.Eventually("a lag of 38", is(38))
	p.Take(sub, 38)
	p.Eventually("no lag", func() bool { return p.Lag(sub) == bus.Lag{} })
}

func lagAge(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	start := time.Now()
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	p.Eventually("an age of a second", func() bool { return p.Lag(sub).Oldest >= time.Second })
	if lag, most := p.Lag(sub), time.Since(start)+time.Second; lag.Oldest > most {
		p.Errorf("the oldest is %v old, and was published %v ago", lag.Oldest, time.Since(start))
	}
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	p.Take(sub, 1)
	p.Eventually("the age of the second", func() bool { return p.Lag(sub).Oldest < time.Since(start) })
	p.Take(sub, 1)
	p.Eventually("no age", func() bool { return p.Lag(sub).Oldest == 0 })
}

func adminOf(p *place.Place, b bus.Broker) bus.Admin {
	p.Helper()
	a, ok := b.(bus.Admin)
	if !ok {
		p.Skip("the driver is no bus.Admin")
	}
	return a
}

func adminTopics(p *place.Place) {
	b := p.Connect()
	admin := adminOf(p, b)
	p.Publish(b, p.Msgs(3, p.Topic("a"), place.ManyKeys(3))...)
	p.Publish(b, p.Msgs(2, p.Topic("b.c"), place.ManyKeys(3))...)
	p.Eventually("the topics", func() bool {
		topics, err := admin.Topics(p.Context())
		if err != nil {
			p.Fatal(err)
		}
		if !slices.IsSortedFunc(topics, func(a, b bus.TopicInfo) int { return cmp.Compare(a.Name, b.Name) }) {
			p.Errorf("they are not sorted: %v", topics)
		}
		has := map[string]bus.TopicInfo{}
		for _, t := range topics {
			has[t.Name] = t
		}
		a, c := has[p.Topic("a")], has[p.Topic("b.c")]
		return a.Messages == 3 && c.Messages == 2 && time.Since(a.Last) < time.Hour && time.Since(c.Last) < time.Hour
	})
}

func adminGroups(p *place.Place) {
	b := p.Connect()
	admin := adminOf(p, b)
	sub := p.Join(b, p.Group("g"), p.Topic("a"), p.Topic("b.*"))
	p.Publish(b, p.Msgs(40, p.Topic("a"), place.ManyKeys(40))...)
	d := p.Receive(sub, 1)
	find := func() bus.GroupInfo {
		all, err := admin.Groups(p.Context())
		if err != nil {
			p.Fatal(err)
		}
		if !slices.IsSortedFunc(all, func(a, b bus.GroupInfo) int { return cmp.Compare(a.Name, b.Name) }) {
			p.Errorf("they are not sorted: %v", all)
		}
		for _, g := range all {
			if g.Name == p.Group("g") {
				return g
			}
		}
		return bus.GroupInfo{}
	}
	p.Eventually("the group", func() bool { g := find(); return g.Lag == 40 && g.Pending >= 1 && g.Oldest > 0 })
	if g := find(); !slices.Equal(slices.Sorted(slices.Values(g.Topics)), []string{p.Topic("a"), p.Topic("b.*")}) {
		p.Errorf("its topics are %v", g.Topics)
	}
	// To look may take longer than the lease, so it may come again.
	_ = sub.Settle(p.Context(), bus.Verdict{Delivery: d[0]})
	p.Take(sub, 39)
	for p.Lag(sub).Messages > 0 {
		p.Take(sub, 1)
	}
	p.Eventually("no lag", func() bool { g := find(); return g.Lag == 0 && g.Pending == 0 && g.Oldest == 0 })
}

func closing() []place.Case {
	return []place.Case{
		{Name: "receiving ends with its context", Run: receiveCanceled},
		{Name: "receiving returns no more than asked for", Run: receiveMost},
		{Name: "a closed subscriber says so", Run: subscriberClosed},
		{Name: "a closed broker says so", Run: brokerClosed},
		{Name: "closing ends what waits", Run: closeWakes},
		{Name: "closing ends who is joining, by name", Run: closeJoining},
	}
}

func receiveCanceled(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	ctx, cancel := context.WithCancel(p.Context())
	ended := make(chan error, 2)
	go func() {
		_, err := sub.Receive(ctx, 1)
		ended <- err
	}()
	cancel()
	if err := place.Await(p, "the end of Receive", ended); !errors.Is(err, context.Canceled) {
		p.Errorf("it ended with %v", err)
	}
	if _, err := sub.Receive(ctx, 1); !errors.Is(err, context.Canceled) {
		p.Errorf("with a context that ended before: %v", err)
	}
	goesOn := p.Publish(b, p.Msg(p.Topic("a"), "k"))
	p.Same(p.Take(sub, 1), goesOn)
}

func receiveMost(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(100, p.Topic("a"), place.ManyKeys(100))...)
	var got []bus.Delivery
	for i := 0; len(got) < len(all); i++ {
		most := min(1+i%5, len(all)-len(got))
		d, err := sub.Receive(p.Context(), most)
		if err != nil || len(d) == 0 || len(d) > most {
			p.Fatalf("%d of at most %d came: %v", len(d), most, err)
		}
		p.Settle(sub, bus.Ack, 0, d...)
		got = append(got, d...)
	}
	p.Same(got, all)
}

func subscriberClosed(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	d := p.Receive(sub, 1)
	for range 2 {
		if err := sub.Close(); err != nil {
			p.Errorf("closing: %v", err)
		}
	}
	if _, err := sub.Receive(p.Context(), 1); !errors.Is(err, bus.ErrClosed) {
		p.Errorf("Receive: %v", err)
	}
	if err := sub.Settle(p.Context(), bus.Verdict{Delivery: d[0]}); err == nil {
		p.Error("Settle of what went back succeeded")
	}
	p.Take(p.Join(b, p.Group("g"), p.Topic("a")), 1) // the connection goes on
}

func brokerClosed(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	for range 2 {
		if err := b.Close(); err != nil {
			p.Errorf("closing: %v", err)
		}
	}
	if r := b.Publish(p.Context(), p.Msgs(1, p.Topic("a"), place.OneKey)); !errors.Is(r[0].Err, bus.ErrClosed) {
		p.Errorf("Publish: %v", r[0].Err)
	}
	if _, err := b.Subscribe(p.Context(), bus.Subscription{Group: p.Group("g"), Topics: []string{p.Topic("a")}}); !errors.Is(err, bus.ErrClosed) {
		p.Errorf("Subscribe: %v", err)
	}
	if _, err := sub.Receive(p.Context(), 1); !errors.Is(err, bus.ErrClosed) {
		p.Errorf("Receive: %v", err)
	}
}

func closeWakes(p *place.Place) {
	b := p.Connect()
	one, two := p.Join(b, p.Group("one"), p.Topic("a")), p.Join(b, p.Group("two"), p.Topic("a"))
	ended := make(chan error, 2)
	for _, sub := range []bus.Subscriber{one, two} {
		go func() {
			_, err := sub.Receive(p.Context(), 1)
			ended <- err
		}()
	}
	one.Close()
	if err := place.Await(p, "the end of Receive", ended); !errors.Is(err, bus.ErrClosed) {
		p.Errorf("the subscriber that was closed: %v", err)
	}
	b.Close()
	if err := place.Await(p, "the end of Receive", ended); !errors.Is(err, bus.ErrClosed) {
		p.Errorf("the subscriber of the broker that was closed: %v", err)
	}
}

// closeJoining closes connections at every moment of joining.
func closeJoining(p *place.Place) {
	for i := range 20 {
		b := p.Connect()
		ended := make(chan error, 1)
		go func() {
			_, err := b.Subscribe(p.Context(), bus.Subscription{Group: p.Group("g"), Topics: []string{p.Topic("a")}})
			ended <- err
		}()
		time.Sleep(time.Duration(i*i) * 100 * time.Microsecond)
		b.Close()
		if err := place.Await(p, "the end of Subscribe", ended); err != nil && !errors.Is(err, bus.ErrClosed) {
			p.Errorf("closed after %v: %v", time.Duration(i*i)*100*time.Microsecond, err)
		}
	}
}
