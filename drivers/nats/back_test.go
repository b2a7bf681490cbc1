package nats_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
	driver "github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/nats/natstest"
)

// diary is a log that is written and read at once.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) count(words string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), words)
}

func keeping(t *testing.T, s *natstest.Server) (bus.Broker, *diary) {
	t.Helper()
	d := &diary{}
	b, err := driver.Driver.OpenBus(t.Context(), s.URL(), t.Name(), slog.New(slog.NewTextHandler(d, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // a test that ends leaves nothing to lose
	return b, d
}

// A store that is gone, or shorter than it was, is told by whoever publishes and by whoever consumes.
func TestAStoreThatWentBackIsTold(t *testing.T) {
	const gone = "the broker has lost events"
	for name, truncate := range map[string]func(*testing.T, *natstest.Server){
		"empty": func(t *testing.T, s *natstest.Server) {
			t.Helper()
			s.Stop()
			s.Empty()
			s.Start()
		},
		"made anew": func(t *testing.T, s *natstest.Server) {
			t.Helper()
			conn, err := nats.Connect(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			js, err := jetstream.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := js.DeleteStream(ctx, "muster-orders"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t, nil)
			publisher, told := keeping(t, s)
			consumer, heard := keeping(t, s)
			c := &bus.Consumer{Broker: consumer, Group: "g"}
			got := make(chan string, 100)
			if err := c.On("orders.*", func(_ context.Context, d bus.Delivery) error {
				got <- d.ID
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- c.Run(ctx) }()
			t.Cleanup(func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
			take := func(n int) {
				t.Helper()
				for range n {
					select {
					case <-got:
					case <-time.After(patience):
						t.Fatal("the events do not come")
					}
				}
			}
			for i := range 20 {
				publish(t, publisher, message(fmt.Sprint("a", i), "k"), message(fmt.Sprint("b", i), "k"))
			}
			take(40)
			if n := told.count(gone) + heard.count(gone); n != 0 {
				t.Errorf("told %d times though nothing is lost", n)
			}
			truncate(t, s)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for i := 0; len(got) < 5; i++ { // the group is a new one too, and begins with what comes once it is there
				if i == 1000 {
					t.Fatal("the events do not come")
				}
				publish(t, publisher, message(fmt.Sprint("c", i), "k"))
				<-tick.C
			}
			if n := told.count(gone); n != 1 {
				t.Errorf("told %d times by the publisher, want once: %s", n, told.text.String())
			}
			if n := heard.count(gone); n != 1 {
				t.Errorf("told %d times by the consumer, want once: %s", n, heard.text.String())
			}
		})
	}
}
