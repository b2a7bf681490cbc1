package bustest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
)

func groups() []place.Case {
	return []place.Case{
		{Name: "each group gets each message", Run: eachGroup},
		{Name: "competing members share", Run: membersShare},
		{Name: "a new group starts at the oldest message", Run: oldest},
		{Name: "a new group with Latest starts now", Run: latest},
		{Name: "a group goes on where it was", Run: goesOn},
		{Name: "what comes while nobody is there waits", Run: waits},
		{Name: "a member that joins takes part", Run: joins},
		{Name: "a member that leaves gives back what it had", Run: leaves},
		{Name: "a pattern stands for its topics", Run: patterns},
		{Name: "a topic under two patterns comes once", Run: coveredOnce},
		{Name: "a group of several streams gets all", Run: groupOfStreams},
		{Name: "a group that subscribes to more gets more", Run: moreTopics},
		{Name: "a member with fewer topics takes none away", Run: fewerTopics},
		{Name: "a group may be there before its stream", Run: beforeStream},
		{Name: "malformed subscriptions are refused by name", Run: badSubscriptions},
	}
}

func eachGroup(p *place.Place) {
	b := p.Connect()
	one, two := p.Join(b, p.Group("one"), p.Topic("a")), p.Join(p.Connect(), p.Group("two"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(30, p.Topic("a"), place.ManyKeys(5))...)
	p.InOrder(place.Messages(p.Take(one, 30)), all)
	p.InOrder(place.Messages(p.Take(two, 30)), all)
}

func membersShare(p *place.Place) {
	b := p.Connect()
	one, two := p.Join(b, p.Group("g"), p.Topic("a")), p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(100, p.Topic("a"), place.ManyKeys(50))...)
	first := p.Receive(one, 1)
	second := p.Receive(two, 1) // while the first is out
	p.Settle(one, bus.Ack, 0, first...)
	p.Settle(two, bus.Ack, 0, second...)
	got := slices.Concat(first, second)
	for len(got) < len(all) {
		d := p.Take([]bus.Subscriber{one, two}[len(got)%2], 1)
		got = append(got, d...)
	}
	p.Same(got, all)
	p.Quiet(one, 200*time.Millisecond)
	p.Quiet(two, 200*time.Millisecond)
}

func oldest(p *place.Place) {
	b := p.Connect()
	all := p.Publish(b, p.Msgs(5, p.Topic("a"), place.OneKey)...)
	p.Take(p.Join(b, p.Group("one"), p.Topic("a")), 5) // what one group has settled others get
	p.InOrder(place.Messages(p.Take(p.Join(b, p.Group("two"), p.Topic("a")), 5)), all)
}

func latest(p *place.Place) {
	b := p.Connect()
	p.Publish(b, p.Msgs(5, p.Topic("a"), place.ManyKeys(2))...)
	sub := p.Subscribe(b, bus.Subscription{Group: p.Group("g"), Topics: []string{p.Topic("a")}, Latest: true})
	p.Quiet(sub, 300*time.Millisecond)
	now := p.Publish(b, p.Msgs(5, p.Topic("a"), place.ManyKeys(2))...)
	p.InOrder(place.Messages(p.Take(sub, 5)), now)
}

func goesOn(p *place.Place) {
	b := p.Connect()
	all := p.Publish(b, p.Msgs(6, p.Topic("a"), place.OneKey)...)
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	got := place.Messages(p.Take(sub, 2))
	sub.Close()
	sub = p.Subscribe(p.Connect(), bus.Subscription{Group: p.Group("g"), Topics: []string{p.Topic("a")}, Latest: true})
	got = append(got, place.Messages(p.Take(sub, 4))...) // Latest is for a new group
	p.InOrder(got, all)
}

func waits(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	p.Take(sub, 1)
	sub.Close()
	later := p.Publish(b, p.Msgs(10, p.Topic("a"), place.ManyKeys(3))...)
	p.InOrder(place.Messages(p.Take(p.Join(p.Connect(), p.Group("g"), p.Topic("a")), 10)), later)
}

func joins(p *place.Place) {
	b := p.Connect()
	one := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(100, p.Topic("a"), place.ManyKeys(50))...)
	got := p.Take(one, 10)
	two := p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	got = append(got, p.Take(two, 10)...)
	two.Close()
	got = append(got, p.Take(one, 80)...)
	p.Same(got, all)
}

func leaves(p *place.Place) {
	b := p.Connect()
	one, two := p.Join(b, p.Group("g"), p.Topic("a")), p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	all := p.Publish(b, p.Msgs(20, p.Topic("a"), place.ManyKeys(20))...)
	had := p.Receive(one, 3)
	one.Close()
	got := place.Messages(p.Take(two, 20))
	p.InOrder(got, all)
	for _, d := range had {
		if !slices.Contains(place.IDs(got), d.ID) {
			p.Errorf("%s was with the member that left, and never came again", d.ID)
		}
	}
}

func patterns(p *place.Place) {
	b := p.Connect()
	deep := p.Join(b, p.Group("deep"), p.Topic("*.done"))
	flat := p.Join(b, p.Group("flat"), p.Topic("*"))
	topics := []string{p.Topic("a"), p.Topic("b"), p.Topic("a.done"), p.Topic("b.done"), p.Topic("a.failed"), p.Topic("a.done.twice")}
	var all []bus.Msg
	for _, t := range topics {
		all = append(all, p.Publish(b, p.Msg(t, "k"))...)
	}
	p.Same(p.Take(deep, 2), all[2:4])
	p.Same(p.Take(flat, 2), all[:2])
	p.Quiet(deep, 200*time.Millisecond)
	p.Quiet(flat, 200*time.Millisecond)
}

func coveredOnce(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("*"), p.Topic("a"), p.Topic("a"), p.Topic("*.b"))
	all := p.Publish(b, p.Msg(p.Topic("a"), "k"), p.Msg(p.Topic("c"), "k"), p.Msg(p.Topic("c.b"), "k"))
	p.InOrder(place.Messages(p.Take(sub, 3)), all)
	p.Quiet(sub, 300*time.Millisecond)
}

func groupOfStreams(p *place.Place) {
	b := p.Connect()
	other := p.Unique + "x.a"
	sub := p.Join(b, p.Group("g"), p.Topic("a"), other)
	all := append(p.Publish(b, p.Msgs(5, p.Topic("a"), place.ManyKeys(2))...), p.Publish(b, p.Msgs(5, other, place.ManyKeys(2))...)...)
	p.Same(p.Take(sub, 10), all)
	last := p.Publish(b, p.Msg(other, "k"))
	p.Same(p.Take(sub, 1), last)
}

func moreTopics(p *place.Place) {
	b := p.Connect()
	other := p.Unique + "x.a"
	old := p.Join(b, p.Group("g"), p.Topic("a"))
	p.Publish(b, p.Msg(p.Topic("a"), "k"))
	p.Take(old, 1)
	old.Close()
	sub := p.Join(p.Connect(), p.Group("g"), p.Topic("a"), p.Topic("b"), other)
	all := p.Publish(b, p.Msg(p.Topic("a"), "k"), p.Msg(p.Topic("b"), "k"), p.Msg(other, "k"))
	p.Same(p.Take(sub, 3), all)
}

func fewerTopics(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"), p.Topic("b"))
	fewer := p.Join(p.Connect(), p.Group("g"), p.Topic("a"))
	fewer.Close()
	all := p.Publish(b, p.Msg(p.Topic("a"), "k"), p.Msg(p.Topic("b"), "k"))
	p.InOrder(place.Messages(p.Take(sub, 2)), all)
}

func beforeStream(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("never"))
	p.Quiet(sub, 200*time.Millisecond)
	p.Publish(b, p.Msg(p.Topic("another"), "k"))
	p.Quiet(sub, 200*time.Millisecond)
	now := p.Publish(b, p.Msg(p.Topic("never"), "k"))
	p.Same(p.Take(sub, 1), now)
}

func badSubscriptions(p *place.Place) {
	b := p.Connect()
	for _, s := range []bus.Subscription{
		{Group: "", Topics: []string{p.Topic("a")}},
		{Group: "Upper", Topics: []string{p.Topic("a")}},
		{Group: "dot.ted", Topics: []string{p.Topic("a")}},
		{Group: strings.Repeat("g", 64), Topics: []string{p.Topic("a")}},
		{Group: p.Group("g")},
		{Group: p.Group("g"), Topics: []string{"one"}},
		{Group: p.Group("g"), Topics: []string{"*.a"}},
		{Group: p.Group("g"), Topics: []string{p.Topic(">")}},
		{Group: p.Group("g"), Topics: []string{p.Topic("*.a"), p.Topic("b.*")}},
	} {
		sub, err := b.Subscribe(p.Context(), s)
		if !errors.Is(err, bus.ErrInvalid) {
			p.Errorf("%q of %q: %v", s.Topics, s.Group, err)
		}
		if err == nil {
			sub.Close()
		}
	}
}
