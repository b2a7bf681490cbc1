package bustest_test

import (
	"context"
	"crypto/rand"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest"
	"github.com/musterdev/muster/bus/memory"
)

// fault is one way in which a broker can be wrong, and a case that must find it.
type fault struct {
	found   string // the beginning of the name of a case
	claims  func(c *bus.Caps)
	publish func(m []bus.Msg) []bus.Msg
	receive func(d []bus.Delivery) []bus.Delivery
	settle  func(v bus.Verdict) (bus.Verdict, bool)
	join    func(s bus.Subscription) bus.Subscription
	most    int // added to what Receive is asked for
	lag     int64
}

// each applies a change to every message, on a copy.
func each(change func(m *bus.Msg)) func(m []bus.Msg) []bus.Msg {
	return func(msgs []bus.Msg) []bus.Msg {
		msgs = slices.Clone(msgs)
		for i := range msgs {
			if msgs[i].Validate() == nil {
				msgs[i].Extensions = maps.Clone(msgs[i].Extensions)
				change(&msgs[i])
			}
		}
		return msgs
	}
}

func eachDelivery(change func(d *bus.Delivery)) func(d []bus.Delivery) []bus.Delivery {
	return func(all []bus.Delivery) []bus.Delivery {
		for i := range all {
			change(&all[i])
		}
		return all
	}
}

// hide moves a field into an extension, and show back.
func hide(m *bus.Msg, field *string, value string) {
	if m.Extensions == nil {
		m.Extensions = map[string]string{}
	}
	m.Extensions["hidden"], *field = *field, value
}

func show(m *bus.Msg, field *string) {
	if v, ok := m.Extensions["hidden"]; ok {
		*field = v
		delete(m.Extensions, "hidden")
	}
	if len(m.Extensions) == 0 {
		m.Extensions = nil
	}
}

func ignore(a bus.Action) func(v bus.Verdict) (bus.Verdict, bool) {
	return func(v bus.Verdict) (bus.Verdict, bool) { return v, v.Action != a }
}

func faults() map[string]fault {
	noOrder := fault{
		found:   "order_per_key",
		publish: each(func(m *bus.Msg) { hide(m, &m.Key, "") }),
		receive: eachDelivery(func(d *bus.Delivery) { show(&d.Msg, &d.Key) }),
	}
	falseOrder, noDedup := noOrder, fault{
		found:   "dedup:",
		publish: each(func(m *bus.Msg) { hide(m, &m.ID, rand.Text()) }),
		receive: eachDelivery(func(d *bus.Delivery) { show(&d.Msg, &d.ID) }),
	}
	falseOrder.found = "order:_of_one_key"
	return map[string]fault{
		"no order":             noOrder,
		"order falsely":        falseOrder,
		"order unclaimed":      {found: "order:", claims: func(c *bus.Caps) { c.Order = false }},
		"dedup falsely":        noDedup,
		"dedup unclaimed":      {found: "dedup:", claims: func(c *bus.Caps) { c.Dedup = false }},
		"count falsely":        {found: "count:", receive: eachDelivery(func(d *bus.Delivery) { d.Count = 1 })},
		"count unclaimed":      {found: "count:", claims: func(c *bus.Caps) { c.Count = false }},
		"delay falsely":        {found: "delay:", settle: func(v bus.Verdict) (bus.Verdict, bool) { v.After = 0; return v, true }},
		"delay unclaimed":      {found: "delay:", claims: func(c *bus.Caps) { c.Delay = false }},
		"later falsely":        {found: "later:", claims: func(c *bus.Caps) { c.Later = true }},
		"dead falsely":         {found: "dead:", claims: func(c *bus.Caps) { c.Dead = true }},
		"batch falsely":        {found: "batch:", claims: func(c *bus.Caps) { c.Batch = true }},
		"a long lease":         {found: "lease:", claims: func(c *bus.Caps) { c.Lease = 20 * time.Second }},
		"a short lease":        {found: "lease:", claims: func(c *bus.Caps) { c.Lease = time.Millisecond }},
		"ack does nothing":     {found: "what_is_acknowledged_never", settle: ignore(bus.Ack)},
		"term does nothing":    {found: "what_is_terminated_never", settle: ignore(bus.Term)},
		"nack does nothing":    {found: "what_is_nacked_comes", settle: ignore(bus.Nack)},
		"no signs of life":     {found: "a_sign_of_life", settle: ignore(bus.InProgress)},
		"data are changed":     {found: "a_message_comes_as_it_was", receive: eachDelivery(func(d *bus.Delivery) { d.Data = []byte("x") })},
		"the subject is lost":  {found: "a_message_comes_as_it_was", publish: each(func(m *bus.Msg) { m.Subject = "" })},
		"extensions are lost":  {found: "a_message_comes_as_it_was", publish: each(func(m *bus.Msg) { m.Extensions = nil })},
		"causes are lost":      {found: "consumer:_an_event_keeps", publish: each(func(m *bus.Msg) { m.Causation = "" })},
		"the group is not set": {found: "a_message_comes_as_it_was", receive: eachDelivery(func(d *bus.Delivery) { d.Group = "" })},
		"more than asked for":  {found: "receiving_returns_no_more", most: 1},
		"always the latest":    {found: "a_new_group_starts_at_the_oldest", join: func(s bus.Subscription) bus.Subscription { s.Latest = true; return s }},
		"never the latest":     {found: "a_new_group_with_Latest", join: func(s bus.Subscription) bus.Subscription { s.Latest = false; return s }},
		"a wrong lag":          {found: "lag_counts", lag: 1},
		"batches are reversed": {found: "order_per_key_with_one_member", publish: func(m []bus.Msg) []bus.Msg {
			m = slices.Clone(m)
			slices.Reverse(m)
			return m
		}},
	}
}

// broken is a broker with a fault.
type broken struct {
	*memory.Broker
	fault
}

func (b broken) Caps() bus.Caps {
	c := b.Broker.Caps()
	if b.claims != nil {
		b.claims(&c)
	}
	return c
}

func (b broken) Publish(ctx context.Context, m []bus.Msg) []bus.Result {
	if b.publish != nil {
		m = b.publish(m)
	}
	return b.Broker.Publish(ctx, m)
}

func (b broken) Subscribe(ctx context.Context, s bus.Subscription) (bus.Subscriber, error) {
	if b.join != nil {
		s = b.join(s)
	}
	sub, err := b.Broker.Subscribe(ctx, s)
	if err != nil {
		return nil, err
	}
	return brokenSubscriber{sub, b.fault}, nil
}

type brokenSubscriber struct {
	bus.Subscriber
	fault
}

func (s brokenSubscriber) Receive(ctx context.Context, most int) ([]bus.Delivery, error) {
	d, err := s.Subscriber.Receive(ctx, most+s.most)
	if s.receive != nil {
		d = s.receive(d)
	}
	return d, err
}

func (s brokenSubscriber) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	var kept []bus.Verdict
	for _, v := range verdicts {
		keep := true
		if s.settle != nil {
			v, keep = s.settle(v)
		}
		if keep {
			kept = append(kept, v)
		}
	}
	return s.Subscriber.Settle(ctx, kept...)
}

func (s brokenSubscriber) Lag(ctx context.Context) (bus.Lag, error) {
	lag, err := s.Subscriber.Lag(ctx)
	lag.Messages += s.lag
	return lag, err
}

const variable = "BUSTEST_FAULT"

// TestBroken runs the suite on a broken broker; only TestTheSuiteFindsFaults starts it.
func TestBroken(t *testing.T) {
	name := os.Getenv(variable)
	f, ok := faults()[name]
	if !ok {
		t.Skip("it is run by TestTheSuiteFindsFaults")
	}
	b := memory.New()
	open := func(*testing.T) bus.Broker { return broken{b.Connect(), f} }
	bustest.Run(t, bustest.Target{Open: open, Caps: open(t).Caps(), Wrap: synctest.Test})
}

func TestTheSuiteFindsFaults(t *testing.T) {
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$/"+f.found, "-test.timeout=20s")
			cmd.Env = append(os.Environ(), variable+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite passes a broker with this fault:\n%s", out)
			}
			if !strings.Contains(string(out), "--- FAIL: TestBroken/"+f.found) {
				t.Errorf("no case %q failed:\n%.3000s", f.found, out)
			}
		})
	}
}
