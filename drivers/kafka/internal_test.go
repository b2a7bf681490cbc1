package kafka

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/kafkatest"
)

// wires are connections that a test cuts, as when a machine is gone.
type wires struct {
	mu  sync.Mutex
	all []net.Conn
	cut bool
}

func (w *wires) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errors.New("the wire is cut")
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		w.all = append(w.all, c)
	}
	return c, err
}

func (w *wires) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, c := range w.all {
		_ = c.Close() // it is cut
	}
}

// TestAMemberThatIsCutOffLosesWhatItHas cuts a member's connections: others get what it
// had, and it is told that its lease is lost before they do.
func TestAMemberThatIsCutOffLosesWhatItHas(t *testing.T) {
	t.Parallel()
	s := kafkatest.Start(t)
	var w wires
	join := func(options ...kgo.Opt) (*broker, bus.Subscriber) {
		b, err := connect(append(options, kgo.SeedBrokers(strings.TrimPrefix(s.URL(), "kafka://"))), s.URL(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		sub, err := b.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"a.b"}})
		if err != nil {
			t.Fatal(err)
		}
		return b, sub
	}
	_, one := join(kgo.Dialer(w.dial))
	b, two := join()
	if r := b.Publish(t.Context(), []bus.Msg{{ID: "1", Source: "/s", Topic: "a.b", Key: "k"}}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	had, err := one.Receive(ctx, 1) // it comes to this one, for the other does not ask
	if err != nil {
		t.Fatal(err)
	}
	w.sever()
	stop := make(chan struct{})
	lost := make(chan time.Time, 1)
	go func() { // a handler that is at work
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if err := one.Settle(ctx, bus.Verdict{Delivery: had[0], Action: bus.InProgress}); err != nil {
				if !errors.Is(err, bus.ErrLeaseLost) {
					t.Error(err)
				}
				lost <- time.Now()
				return
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	defer close(stop)
	got, err := two.Receive(ctx, 1)
	if err != nil || got[0].ID != "1" || got[0].Count != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	came := time.Now()
	select {
	case at := <-lost:
		if at.After(came) {
			t.Errorf("it was told %v after another had it", at.Sub(came))
		}
	case <-ctx.Done():
		t.Fatal("it was never told")
	}
}
