package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats/natstest"
	"github.com/musterdev/muster/problem"
)

// crowd has so many publish at once, and again as long as each has something.
func crowd(t *testing.T, b bus.Broker, n int, next func(who, turn int) []bus.Msg, seen func(who, turn int, results []bus.Result)) {
	t.Helper()
	var publishing sync.WaitGroup
	for who := range n {
		publishing.Go(func() {
			for turn := 0; ; turn++ {
				msgs := next(who, turn)
				if len(msgs) == 0 {
					return
				}
				seen(who, turn, b.Publish(t.Context(), msgs))
			}
		})
	}
	publishing.Wait()
}

// A crowd's messages share batches, none is lost, and each publisher's come in its order.
func TestACrowdSharesBatches(t *testing.T) {
	const publishers, turns = 64, 10
	s := natstest.Start(t, nil)
	b := open(t, s)
	conn, err := natsgo.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent, err := conn.SubscribeSync("muster.orders.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	crowd(t, b, publishers, func(who, turn int) []bus.Msg {
		if turn == turns {
			return nil
		}
		return []bus.Msg{message(fmt.Sprint(who, ".", turn), fmt.Sprint(who))}
	}, func(who, turn int, results []bus.Result) {
		if results[0] != (bus.Result{}) {
			t.Errorf("%d.%d: %+v", who, turn, results[0])
		}
	})
	requests := map[string]bool{} // each of which waits for the disk
	for n := range publishers * turns {
		m, err := sent.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		id := m.Header.Get("Nats-Batch-Id")
		if id == "" {
			id = fmt.Sprint("alone ", n)
		}
		requests[id] = true
	}
	if len(requests) > publishers*turns/2 {
		t.Errorf("%d messages were stored by %d requests", publishers*turns, len(requests))
	}
	sub := join(t, b, "g", "orders.*")
	turn := map[string]int{}
	for range publishers * turns {
		d := next(t, sub)
		if want := fmt.Sprint(d.Key, ".", turn[d.Key]); d.ID != want {
			t.Errorf("%s came instead of %s", d.ID, want)
		}
		turn[d.Key]++
	}
}

// One whose messages are known, or too large, or malformed, takes nobody with it.
func TestInACrowdEachHasItsOwnResult(t *testing.T) {
	const publishers, turns, most = 24, 4, 2000
	s := natstest.Start(t, nil)
	conn, err := natsgo.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "muster-orders", Subjects: []string{"muster.orders.*.>"}, Metadata: map[string]string{"muster-lanes": "4"}, MaxMsgSize: most, AllowAtomicPublish: true,
	}); err != nil {
		t.Fatal(err)
	}
	b := open(t, s)
	publish(t, b, message("known", "k"), message("known-too", "k"))
	crowd(t, b, publishers, func(who, turn int) []bus.Msg {
		if turn == turns {
			return nil
		}
		msgs := []bus.Msg{message(fmt.Sprint(who, ".", turn, "a"), "k"), message(fmt.Sprint(who, ".", turn, "b"), "k")}
		switch who % 4 {
		case 1:
			msgs[1].ID = []string{"known", "known-too"}[turn%2]
		case 2:
			msgs[0].Data = make([]byte, 2*most)
		case 3:
			msgs[0].ID = ""
		}
		return msgs
	}, func(who, turn int, r []bus.Result) {
		held := false
		switch who % 4 {
		case 0:
			held = r[0] == (bus.Result{}) && r[1] == (bus.Result{})
		case 1:
			held = r[0] == (bus.Result{}) && r[1] == (bus.Result{Known: true})
		case 2:
			held = problem.CodeOf(r[0].Err) == problem.TooLarge && problem.CodeOf(r[1].Err) == problem.TooLarge
		case 3:
			held = errors.Is(r[0].Err, bus.ErrInvalid) && errors.Is(r[1].Err, bus.ErrBatch)
		}
		if !held {
			t.Errorf("publisher %d, turn %d: %+v", who, turn, r)
		}
	})
	stream, err := js.Stream(t.Context(), "muster-orders")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 + publishers/4*turns*3; info.State.Msgs != uint64(want) {
		t.Errorf("%d messages are stored, and not %d", info.State.Msgs, want)
	}
}

// Who gives up ends nobody else's wait, and is told at once.
func TestWhoLeavesACrowdTakesNobodyAlong(t *testing.T) {
	s := natstest.Start(t, nil)
	b := open(t, s)
	publish(t, b, message("0", "k"))
	s.Stop()
	teller, ok := b.(interface{ Away() error })
	for seen := time.Now(); ok && teller.Away() == nil; time.Sleep(time.Millisecond) {
		if time.Since(seen) > patience {
			t.Fatal("it does not notice that the server is away")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var leaving, staying sync.WaitGroup
	for i := range 20 {
		leaving.Go(func() {
			err := b.Publish(ctx, []bus.Msg{message(fmt.Sprint("left", i), "k")})[0].Err
			if !errors.Is(err, context.Canceled) || problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "is away") {
				t.Error(err)
			}
		})
		staying.Go(func() {
			if r := b.Publish(t.Context(), []bus.Msg{message(fmt.Sprint("stayed", i), "k")})[0]; r != (bus.Result{}) {
				t.Errorf("%+v", r)
			}
		})
	}
	cancel()
	leaving.Wait()
	s.Start()
	staying.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Publish(t.Context(), []bus.Msg{message("late", "k")})[0].Err; !errors.Is(err, bus.ErrClosed) {
		t.Error(err)
	}
}
