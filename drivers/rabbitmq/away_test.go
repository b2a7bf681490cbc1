//go:build unix

package rabbitmq_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/rabbitmq"
	"github.com/musterdev/muster/problem"
)

// lines is where a log goes that a test reads.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestABrokerThatIsAwayIsSaid(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log lines
	b, err := rabbitmq.Driver.OpenBus(t.Context(), "amqp://u:secret@"+address, "test", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is said by itself", func() bool { return strings.Contains(log.all(), "the broker is away: events wait") })
	if s := log.all(); !strings.Contains(s, "broker="+address) || !strings.Contains(s, "refused") || strings.Contains(s, "secret") {
		t.Error(s)
	}
	away := b.(interface{ Away() error })
	if err := away.Away(); problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	m := bus.Msg{ID: "1", Source: "/s", Topic: "a.b"}
	if r := b.Publish(ctx, []bus.Msg{m}); problem.CodeOf(r[0].Err) != problem.Unavailable || !errors.Is(r[0].Err, context.DeadlineExceeded) {
		t.Error(r[0].Err)
	}
	if _, err := b.Subscribe(ctx, bus.Subscription{Group: "g", Topics: []string{"a.b"}}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), address) {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := away.Away(); !errors.Is(err, bus.ErrClosed) {
		t.Error(err)
	}
}

// TestAServerThatSaysNothing is one whose port takes connections and that is stuck.
func TestAServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	b, err := rabbitmq.Driver.OpenBus(t.Context(), "amqp://"+l.Addr().String(), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r := b.Publish(ctx, []bus.Msg{{ID: "1", Source: "/s", Topic: "a.b"}}); !errors.Is(r[0].Err, context.DeadlineExceeded) {
		t.Error(r[0].Err)
	}
	begin := time.Now()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("closing took %s", took)
	}
}
