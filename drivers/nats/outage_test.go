package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/nats/natstest"
	"github.com/musterdev/muster/problem"
)

const patience = 30 * time.Second

func message(id, key string) bus.Msg {
	return bus.Msg{ID: id, Source: "/test", Topic: "orders.placed", Key: key}
}

func publish(t *testing.T, b bus.Broker, msgs ...bus.Msg) {
	t.Helper()
	for i, r := range b.Publish(t.Context(), msgs) {
		if r.Err != nil || r.Known {
			t.Fatalf("%s: %+v", msgs[i].ID, r)
		}
	}
}

// next receives and acknowledges one message.
func next(t *testing.T, s bus.Subscriber) bus.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := s.Receive(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(ctx, bus.Verdict{Delivery: got[0]}); err != nil {
		t.Fatal(err)
	}
	return got[0]
}

func join(t *testing.T, b bus.Broker, group string, topics ...string) bus.Subscriber {
	t.Helper()
	s, err := b.Subscribe(t.Context(), bus.Subscription{Group: group, Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheBrokerNeedNotBeThereAtTheStart(t *testing.T) {
	s := natstest.Start(t, nil)
	s.Stop()
	b := open(t, s)
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := b.Publish(short, []bus.Msg{message("0", "k")})[0].Err
	if !errors.Is(err, context.DeadlineExceeded) || problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "is away") {
		t.Error(err)
	}
	if _, err := b.Subscribe(short, bus.Subscription{Group: "g", Topics: []string{"orders.*"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Publish(t.Context(), []bus.Msg{message("1", "k")})[0].Err }()
	s.Start()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if d := next(t, join(t, b, "g", "orders.*")); d.ID != "1" {
		t.Error(d.ID)
	}
}

func TestABrokerThatComesBackEmpty(t *testing.T) {
	s := natstest.Start(t, nil)
	b := open(t, s)
	sub := join(t, b, "g", "orders.*")
	publish(t, b, message("1", "k"))
	next(t, sub)
	got := make(chan bus.Delivery, 1)
	go func() { got <- next(t, sub) }()
	s.Stop()
	s.Empty()
	s.Start()
	publish(t, b, message("2", "k"))
	if d := <-got; d.ID != "2" || d.Seq != 1 {
		t.Errorf("%+v", d)
	}
}

func TestAMemberThatDoesNotReceiveHoldsNothing(t *testing.T) {
	s := natstest.Start(t, nil)
	idle, busy := open(t, s), open(t, s)
	hoarder := join(t, idle, "g", "orders.*")
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := hoarder.Receive(short, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err) // its requests wait at the server from now on
	}
	var all []bus.Msg
	for i := range 100 {
		all = append(all, message(fmt.Sprint(i), fmt.Sprint("k", i%40)))
	}
	begin, last := time.Now(), map[string]int{} // before any lease can have begun
	publish(t, busy, all...)
	sub := join(t, busy, "g", "orders.*")
	for range all {
		d := next(t, sub)
		var n int
		if _, err := fmt.Sscan(d.ID, &n); err != nil || n < last[d.Key] {
			t.Errorf("%s of %s after %d", d.ID, d.Key, last[d.Key])
		}
		last[d.Key] = n
	}
	if took := time.Since(begin); took >= busy.Caps().Lease {
		t.Errorf("it took %s until the other had all: as long as who holds them has a right to", took)
	}
}

func TestWhatIsNoEventIsDropped(t *testing.T) {
	s := natstest.Start(t, nil)
	b := open(t, s)
	sub := join(t, b, "g", "orders.*")
	conn, err := natsgo.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for lane := range nats.Lanes {
		if _, err := conn.Request(fmt.Sprintf("muster.orders.%d.placed", lane), []byte("junk"), patience); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, message("1", "k"))
	if d := next(t, sub); d.ID != "1" {
		t.Errorf("%+v", d)
	}
}

func TestALimitOfTheStoreIsNamed(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	b := open(t, s)
	large := message("large", "k")
	large.Data = make([]byte, 400<<10)
	small := []bus.Msg{message("a", "k"), large, message("b", "k")}
	publish(t, b, small...)
	for i := range 3 {
		small[0].ID, small[1].ID, small[2].ID = fmt.Sprint("a", i), fmt.Sprint("large", i), fmt.Sprint("b", i)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		results := b.Publish(ctx, small)
		ended := ctx.Err()
		cancel()
		if results[0].Err == nil {
			continue
		}
		for _, r := range results {
			if problem.CodeOf(r.Err) != problem.Unavailable || !strings.Contains(r.Err.Error(), "store is full") || ended != nil {
				t.Errorf("%v", r.Err)
			}
		}
		return
	}
	t.Error("the limit was not reached")
}

func TestAForeignStreamIsNotUsed(t *testing.T) {
	s := natstest.Start(t, nil)
	conn, err := natsgo.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := conn.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&natsgo.StreamConfig{Name: "muster-orders", Subjects: []string{"something"}}); err != nil {
		t.Fatal(err)
	}
	if err := open(t, s).Publish(t.Context(), []bus.Msg{message("1", "k")})[0].Err; err == nil || !strings.Contains(err.Error(), "not the bus's") {
		t.Error(err)
	}
}
