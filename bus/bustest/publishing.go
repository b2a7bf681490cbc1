package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/place"
	"github.com/musterdev/muster/problem"
)

func publishing() []place.Case {
	return []place.Case{
		{Name: "a message comes as it was sent", Run: asSent},
		{Name: "a message without data and options comes", Run: bare},
		{Name: "results are those of their messages", Run: resultsInOrder},
		{Name: "a malformed message is refused by name", Run: malformed},
		{Name: "behind a refused message its key waits", Run: behindRefused},
		{Name: "a known message within one call is stored once", Run: knownInCall},
		{Name: "a batch with a known message stores the others", Run: knownInBatch},
		{Name: "the same id from another source is another message", Run: otherSource},
		{Name: "a large batch is stored, in order", Run: largeBatch},
		{Name: "one call for several streams", Run: severalStreams},
		{Name: "many publishers at a time", Run: manyPublishers},
		{Name: "publishing ends with its context", Run: publishCanceled},
		{Name: "publishing nothing is nothing", Run: publishNothing},
	}
}

func asSent(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a.b-c.d_e"))
	m := bus.Msg{
		ID: "id/with:~signs?", Source: "/suite/one?two#three", Topic: p.Topic("a.b-c.d_e"), Subject: "Grüße, 100 % \"quoted\" 世界 🎉", Key: "key of Ünicode\u00a0",
		Time: time.Date(2026, 11, 23, 1, 2, 3, 456789012, time.FixedZone("", 3600)), ContentType: "application/json; charset=utf-8",
		Schema: "https://example.com/schema#v1", Sequence: "42", Causation: "cause", Correlation: "correlation",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=1,b=2",
		Extensions: map[string]string{"tenant": "acme corp", "x1": "%41"}, Data: []byte("\x00\x01\xff{}\r\n\r\n"),
	}
	m.ID += p.Unique
	before := time.Now()
	p.Publish(b, m)
	d := p.Take(sub, 1)[0]
	if !place.Equal(d.Msg, m) {
		p.Errorf("came  %q %q\nwas   %q %q", d.Attributes(), d.Data, m.Attributes(), m.Data)
	}
	if d.Group != p.Group("g") || d.Count != 1 {
		p.Errorf("group %q, count %d", d.Group, d.Count)
	}
	if !d.Time.Equal(m.Time) {
		p.Errorf("its time is %v, and was %v", d.Time, m.Time)
	}
	if d.Stored.Before(before.Add(-time.Minute)) || d.Stored.After(time.Now().Add(time.Minute)) {
		p.Errorf("it was stored at %v, and now is %v", d.Stored, time.Now())
	}
}

func bare(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	m := bus.Msg{ID: p.Unique, Source: "/s", Topic: p.Topic("a")}
	p.Publish(b, m)
	if d := p.Take(sub, 1)[0]; !place.Equal(d.Msg, m) || len(d.Data) != 0 {
		p.Errorf("came %v %q", d.Attributes(), d.Data)
	}
}

func resultsInOrder(p *place.Place) {
	b := p.Connect()
	known := p.Publish(b, p.Msg(p.Topic("a"), "known"))[0]
	bad := p.Msg(p.Topic("a"), "bad")
	bad.ID = ""
	for i, call := range [][]bus.Msg{
		{p.Msg(p.Topic("a"), "x"), known, p.Msg(p.Topic("a"), "y")},
		{bad, p.Msg(p.Topic("other"), "z")},
	} {
		r := p.Results(b, call...)
		for j, m := range call {
			if m.ID == "" {
				if !errors.Is(r[j].Err, bus.ErrInvalid) {
					p.Errorf("call %d, message %d: %+v", i, j, r[j])
				}
				continue
			}
			behind := errors.Is(r[j].Err, bus.ErrBatch) && p.Caps.Batch && i == 1
			if (r[j].Err != nil && !behind) || r[j].Known != (m.ID == known.ID && p.Caps.Dedup) {
				p.Errorf("call %d, message %d: %+v", i, j, r[j])
			}
		}
	}
}

func malformed(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	for field, spoil := range map[string]func(m *bus.Msg){
		"id":              func(m *bus.Msg) { m.ID = "with space" },
		"source":          func(m *bus.Msg) { m.Source = "" },
		"type":            func(m *bus.Msg) { m.Topic = "Nope" },
		"subject":         func(m *bus.Msg) { m.Subject = "two\nlines" },
		"partitionkey":    func(m *bus.Msg) { m.Key = strings.Repeat("k", 256) },
		"datacontenttype": func(m *bus.Msg) { m.ContentType = "no type" },
		"dataschema":      func(m *bus.Msg) { m.Schema = "no uri" },
		"causationid":     func(m *bus.Msg) { m.Causation = "\xff" },
		"Tenant":          func(m *bus.Msg) { m.Extensions = map[string]string{"Tenant": "x"} },
		"traceparent":     func(m *bus.Msg) { m.Extensions = map[string]string{"traceparent": "x"} },
	} {
		m := p.Msg(p.Topic("a"), field)
		spoil(&m)
		r := p.Results(b, m)
		e, ok := errors.AsType[*problem.Error](r[0].Err)
		if !ok || !errors.Is(e, bus.ErrInvalid) || len(e.Details) != 1 || e.Details[0].Field != field {
			p.Errorf("%s: %v", field, r[0].Err)
		}
	}
	p.Quiet(sub, 300*time.Millisecond)
}

func behindRefused(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := []bus.Msg{p.Msg(p.Topic("a"), "k"), p.Msg(p.Topic("a"), "k"), p.Msg(p.Topic("a"), "k"), p.Msg(p.Topic("a"), "other")}
	all[1].Data = make([]byte, bus.MaxData+1)
	r := p.Results(b, all...)
	if !errors.Is(r[1].Err, bus.ErrTooLarge) {
		p.Errorf("the oversized message: %v", r[1].Err)
	}
	if p.Caps.Batch {
		for _, i := range []int{0, 2, 3} {
			if !errors.Is(r[i].Err, bus.ErrBatch) && !errors.Is(r[i].Err, bus.ErrBehind) {
				p.Errorf("message %d: %v", i, r[i].Err)
			}
		}
		p.Quiet(sub, 300*time.Millisecond)
		return
	}
	if r[0].Err != nil || !errors.Is(r[2].Err, bus.ErrBehind) || r[3].Err != nil {
		p.Errorf("results %v", r)
	}
	p.Same(p.Take(sub, 2), []bus.Msg{all[0], all[3]})
	p.Quiet(sub, 300*time.Millisecond)
}

func knownInCall(p *place.Place) {
	if !p.Caps.Dedup {
		p.Skip("the broker does not know messages again")
	}
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	m := p.Msg(p.Topic("a"), "k")
	r := p.Results(b, m, m)
	if r[0].Err != nil || r[0].Known || r[1].Err != nil || !r[1].Known {
		p.Errorf("results %+v", r)
	}
	p.Take(sub, 1)
	p.Quiet(sub, 300*time.Millisecond)
}

func knownInBatch(p *place.Place) {
	if !p.Caps.Dedup {
		p.Skip("the broker does not know messages again")
	}
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	all := p.Msgs(20, p.Topic("a"), place.ManyKeys(3))
	p.Publish(b, all[:5]...)
	p.Publish(b, all[7])
	for i, r := range p.Results(b, all...) {
		if known := i < 5 || i == 7; r.Err != nil || r.Known != known {
			p.Errorf("message %d: %+v", i, r)
		}
	}
	p.Same(p.Take(sub, 20), all)
	p.Quiet(sub, 300*time.Millisecond)
}

func otherSource(p *place.Place) {
	b := p.Connect()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	m := p.Msg(p.Topic("a"), "k")
	n := m
	n.Source = "/another"
	p.Publish(b, m)
	p.Publish(b, n)
	p.Same(p.Take(sub, 2), []bus.Msg{m, n})
}

func largeBatch(p *place.Place) {
	b := p.Connect()
	all := p.Publish(b, p.Msgs(1500, p.Topic("a"), place.ManyKeys(40))...)
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	p.InOrder(place.Messages(p.Take(sub, len(all))), all)
}

func severalStreams(p *place.Place) {
	b := p.Connect()
	topics := []string{p.Topic("a"), p.Unique + "x.a", p.Unique + "y.a"}
	var all []bus.Msg
	for i := range 30 {
		all = append(all, p.Msg(topics[i%3], "k"))
	}
	p.Publish(b, all...)
	sub := p.Join(b, p.Group("g"), topics...)
	got := map[string][]string{}
	for _, d := range p.Take(sub, len(all)) {
		got[d.Topic] = append(got[d.Topic], d.ID)
	}
	for i, topic := range topics {
		var want []string
		for j := i; j < len(all); j += 3 {
			want = append(want, all[j].ID)
		}
		if !slices.Equal(got[topic], want) {
			p.Errorf("%s: %v, want %v", topic, got[topic], want)
		}
	}
}

func manyPublishers(p *place.Place) {
	b, b2 := p.Connect(), p.Connect()
	all := make([][]bus.Msg, 8)
	var done sync.WaitGroup
	for i := range all {
		all[i] = p.Msgs(20, p.Topic("a"), func(int) string { return fmt.Sprintf("publisher-%d", i) })
		done.Go(func() {
			for n, m := range all[i] {
				if r := []bus.Broker{b, b2}[i%2].Publish(p.Context(), []bus.Msg{m}); r[0].Err != nil {
					p.Errorf("publisher %d, message %d: %v", i, n, r[0].Err)
				}
			}
		})
	}
	done.Wait()
	sub := p.Join(b, p.Group("g"), p.Topic("a"))
	want := slices.Concat(all...)
	p.InOrder(place.Messages(p.Take(sub, len(want))), want)
}

func publishCanceled(p *place.Place) {
	b := p.Connect()
	ctx, cancel := context.WithCancel(p.Context())
	cancel()
	r := b.Publish(ctx, p.Msgs(2, p.Topic("a"), place.OneKey))
	if len(r) != 2 || !errors.Is(r[0].Err, context.Canceled) || !errors.Is(r[1].Err, context.Canceled) {
		p.Errorf("results %+v", r)
	}
}

func publishNothing(p *place.Place) {
	if r := p.Connect().Publish(p.Context(), nil); len(r) != 0 {
		p.Errorf("results %+v", r)
	}
}
