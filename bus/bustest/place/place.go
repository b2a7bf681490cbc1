package place

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
)

// Place is where one case happens: names that no other case has.
type Place struct {
	*testing.T
	Target
	Unique string // the beginning of its names
	serial atomic.Int64
}

// New returns a place for one case.
func New(t *testing.T, target Target) *Place {
	return &Place{T: t, Target: target, Unique: "t" + strings.ToLower(rand.Text()[:12])}
}

// Connect makes a connection that lasts as long as the case.
func (p *Place) Connect() bus.Broker {
	p.Helper()
	b := p.Open(p.T)
	p.Cleanup(func() { b.Close() })
	return b
}

// Topic returns a topic of the case's stream.
func (p *Place) Topic(rest string) string { return p.Unique + "." + rest }

// Group returns a group's name of the case.
func (p *Place) Group(rest string) string { return p.Unique + "-" + rest }

// Msg returns a message with an ID of its own.
func (p *Place) Msg(topic, key string) bus.Msg {
	id := fmt.Sprintf("%s-%d", p.Unique, p.serial.Add(1))
	return bus.Msg{ID: id, Source: "/suite", Topic: topic, Key: key, Time: time.Now(), ContentType: "text/plain", Data: []byte(id)}
}

// Msgs returns n messages of a topic, each of the key that keyOf says.
func (p *Place) Msgs(n int, topic string, keyOf func(i int) string) []bus.Msg {
	all := make([]bus.Msg, n)
	for i := range all {
		all[i] = p.Msg(topic, keyOf(i))
	}
	return all
}

// Publish stores messages and returns them.
func (p *Place) Publish(b bus.Publisher, msgs ...bus.Msg) []bus.Msg {
	p.Helper()
	for i, r := range p.Results(b, msgs...) {
		if r.Err != nil || r.Known {
			p.Fatalf("message %d of %d: known %v, %v", i, len(msgs), r.Known, r.Err)
		}
	}
	return msgs
}

// Results publishes and returns what became of each.
func (p *Place) Results(b bus.Publisher, msgs ...bus.Msg) []bus.Result {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), Patience)
	defer cancel()
	results := b.Publish(ctx, msgs)
	if len(results) != len(msgs) {
		p.Fatalf("%d results of %d messages", len(results), len(msgs))
	}
	return results
}

// Join subscribes to topics from the oldest message on.
func (p *Place) Join(b bus.Broker, group string, topics ...string) bus.Subscriber {
	p.Helper()
	return p.Subscribe(b, bus.Subscription{Group: group, Topics: topics})
}

// Subscribe joins a group, and leaves it when the case ends.
func (p *Place) Subscribe(b bus.Broker, s bus.Subscription) bus.Subscriber {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), Patience)
	defer cancel()
	sub, err := b.Subscribe(ctx, s)
	if err != nil {
		p.Fatalf("joining %s: %v", s.Group, err)
	}
	p.Cleanup(func() { sub.Close() })
	return sub
}

// Receive waits for n deliveries and settles none.
func (p *Place) Receive(sub bus.Subscriber, n int) []bus.Delivery {
	p.Helper()
	return p.ReceiveIn(sub, n, Patience)
}

// ReceiveIn is Receive with another patience.
func (p *Place) ReceiveIn(sub bus.Subscriber, n int, within time.Duration) []bus.Delivery {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), within)
	defer cancel()
	var all []bus.Delivery
	for len(all) < n {
		got, err := sub.Receive(ctx, n-len(all))
		if err != nil {
			p.Fatalf("%d of %d deliveries came within %v: %v", len(all), n, within, err)
		}
		if len(got) == 0 || len(got) > n-len(all) {
			p.Fatalf("Receive of at most %d returned %d", n-len(all), len(got))
		}
		all = append(all, got...)
	}
	return all
}

// Take receives n messages and settles each before the next ones.
func (p *Place) Take(sub bus.Subscriber, n int) []bus.Delivery {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), Patience)
	defer cancel()
	var all []bus.Delivery
	for len(all) < n {
		got, err := sub.Receive(ctx, min(n-len(all), 64))
		if err != nil {
			p.Fatalf("%d of %d deliveries came: %v", len(all), n, err)
		}
		p.Settle(sub, bus.Ack, 0, got...)
		all = append(all, got...)
	}
	return all
}

// Quiet fails when a message comes within a while.
func (p *Place) Quiet(sub bus.Subscriber, while time.Duration) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), while)
	defer cancel()
	got, err := sub.Receive(ctx, 10)
	switch {
	case len(got) > 0:
		p.Fatalf("%s came (count %d), and nothing was to come within %v", got[0].ID, got[0].Count, while)
	case !errors.Is(err, context.DeadlineExceeded):
		p.Fatalf("Receive ended with %v, not with its context", err)
	}
}

// Settle gives deliveries one verdict.
func (p *Place) Settle(sub bus.Subscriber, a bus.Action, after time.Duration, deliveries ...bus.Delivery) {
	p.Helper()
	verdicts := make([]bus.Verdict, len(deliveries))
	for i, d := range deliveries {
		verdicts[i] = bus.Verdict{Delivery: d, Action: a, After: after, Reason: "the suite says so"}
	}
	ctx, cancel := context.WithTimeout(p.Context(), Patience)
	defer cancel()
	if err := sub.Settle(ctx, verdicts...); err != nil {
		p.Fatalf("settling: %v", err)
	}
}

// Eventually waits until something becomes true.
func (p *Place) Eventually(what string, done func() bool) {
	p.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(Patience); !done(); <-tick.C {
		if time.Now().After(end) {
			p.Fatal("waited in vain for " + what)
		}
	}
}

// Await receives from a channel that something is about to be sent to.
func Await[T any](p *Place, what string, from <-chan T) T {
	p.Helper()
	var v T
	select {
	case v = <-from:
	case <-time.After(Patience):
		p.Fatal("waited in vain for " + what)
	}
	return v
}

// Same fails unless the deliveries are these messages, in any order.
func (p *Place) Same(got []bus.Delivery, want []bus.Msg) {
	p.Helper()
	g, w := IDs(Messages(got)), IDs(want)
	slices.Sort(g)
	slices.Sort(w)
	if !slices.Equal(g, w) {
		p.Fatalf("got %v\nwant %v", g, w)
	}
}

// InOrder fails unless these messages came, those of each key in this order; any order
// does for a broker that claims none.
func (p *Place) InOrder(got, want []bus.Msg) {
	p.Helper()
	if !p.Caps.Order {
		sort := func(m []bus.Msg) []bus.Msg {
			return slices.SortedFunc(slices.Values(m), func(a, b bus.Msg) int { return strings.Compare(a.ID, b.ID) })
		}
		got, want = sort(got), sort(want)
	}
	g, w := byKey(got), byKey(want)
	for _, key := range slices.Sorted(maps.Keys(w)) {
		if !slices.Equal(g[key], w[key]) {
			p.Fatalf("key %q: got  %v\nwant %v", key, g[key], w[key])
		}
	}
	if len(got) != len(want) {
		p.Fatalf("%d messages, want %d", len(got), len(want))
	}
}

func byKey(msgs []bus.Msg) map[string][]string {
	all := map[string][]string{}
	for _, m := range msgs {
		all[m.Key] = append(all[m.Key], m.ID)
	}
	return all
}

// Messages returns what was delivered.
func Messages(deliveries []bus.Delivery) []bus.Msg {
	all := make([]bus.Msg, len(deliveries))
	for i, d := range deliveries {
		all[i] = d.Msg
	}
	return all
}

// IDs returns the ids of messages.
func IDs(msgs []bus.Msg) []string {
	all := make([]string, len(msgs))
	for i, m := range msgs {
		all[i] = m.ID
	}
	return all
}

// Equal compares what is sent of two messages.
func Equal(a, b bus.Msg) bool {
	return maps.Equal(a.Attributes(), b.Attributes()) && bytes.Equal(a.Data, b.Data)
}

// OneKey is the one key of all messages; see Msgs.
func OneKey(int) string { return "k" }

// ManyKeys spreads messages over n keys.
func ManyKeys(n int) func(i int) string {
	return func(i int) string { return fmt.Sprintf("key-%d", i%n) }
}
