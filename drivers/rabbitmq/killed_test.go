//go:build unix

package rabbitmq_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/rabbitmq/rabbittest"
)

// TestAServerThatIsKilled has a group in the middle of its messages when the server
// crashes. What was settled never comes again, what was not does, in order.
func TestAServerThatIsKilled(t *testing.T) {
	s := rabbittest.Start(t)
	b := open(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const keys, each = 5, 12
	var all []bus.Msg
	for i := range keys * each {
		all = append(all, bus.Msg{ID: fmt.Sprint(i), Source: "/s", Topic: "a.b", Key: fmt.Sprint(i % keys)})
	}
	for i, r := range b.Publish(ctx, all) {
		if r.Err != nil {
			t.Fatalf("message %d: %v", i, r.Err)
		}
	}
	sub, err := b.Subscribe(ctx, bus.Subscription{Group: "g", Topics: []string{"a.b"}})
	if err != nil {
		t.Fatal(err)
	}
	settled := map[string]int{} // of each key
	take := func(until int) {
		for n := 0; n < until; {
			got, err := sub.Receive(ctx, until-n)
			if err != nil {
				t.Fatalf("%d of %d came: %v", n, until, err)
			}
			for _, d := range got {
				if want := fmt.Sprint(settled[d.Key]*keys + int(d.Key[0]-'0')); d.ID != want {
					t.Fatalf("of the key %s came %s, want %s", d.Key, d.ID, want)
				}
				if err := sub.Settle(ctx, bus.Verdict{Delivery: d}); err != nil {
					t.Fatal(err)
				}
				settled[d.Key]++
			}
			n += len(got)
		}
	}
	take(keys * each / 2)
	// The server writes down that it has streams a moment after it has made the first.
	select {
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
	s.Kill()
	s.Start()
	take(keys * each / 2)
	lag, err := sub.Lag(ctx)
	if err != nil || lag.Messages != 0 {
		t.Errorf("%+v, %v", lag, err)
	}
}
