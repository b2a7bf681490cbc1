//go:build unix

package streams_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/redis/redistest"
	"github.com/musterdev/muster/drivers/redis/streams"
	"github.com/musterdev/muster/problem"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "localhost:6379", "http://localhost", "redis://user:secret@host:6379/x", "redis://user:secret@host/0?nonsense=1", "redis://user:secret@ho st"} {
		b, err := streams.Driver.OpenBus(t.Context(), url, "c", nil)
		if err == nil {
			_ = b.Close()
			t.Errorf("%q is taken", url)
			continue
		}
		if !strings.HasPrefix(err.Error(), "redis: the URL") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

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

func logged(l *lines) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestAServerThatIsAwayIsSaid(t *testing.T) {
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
	b, err := streams.Driver.OpenBus(t.Context(), "redis://u:secret@"+address, "test", logged(&log))
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
	if r := b.Publish(ctx, []bus.Msg{{ID: "1", Source: "/s", Topic: "a.b"}}); problem.CodeOf(r[0].Err) != problem.Unavailable || !errors.Is(r[0].Err, context.DeadlineExceeded) {
		t.Error(r[0].Err)
	}
	if _, err := b.Subscribe(ctx, bus.Subscription{Group: "g", Topics: []string{"a.b"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := away.Away(); !errors.Is(err, bus.ErrClosed) {
		t.Error(err)
	}
}

func TestAServerThatMayForgetIsNamed(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) *redistest.Server{"a cache": redistest.Start, "durable": redistest.StartDurable} {
		s := start(t)
		var log lines
		b, err := streams.Driver.OpenBus(t.Context(), "redis://"+s.Address(), "a test", logged(&log))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is connected", func() bool { return strings.Contains(log.all(), "connected to the broker") })
		if got := strings.Contains(log.all(), "setting=appendonly is=no want=yes"); got != (name == "a cache") {
			t.Errorf("%s: %s", name, log.all())
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatIsNoEventIsPassedOver writes nonsense into a lane, as nobody should.
func TestWhatIsNoEventIsPassedOver(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s)
	m := bus.Msg{ID: "1", Source: "/s", Topic: "a.b", Key: "k"}
	lane := bus.Lane(m, streams.Lanes)
	client := goredis.NewClient(&goredis.Options{Addr: s.Address()})
	defer func() { _ = client.Close() }()
	sub, err := b.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"a.b"}})
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("muster:{a}:lane:%d", lane)
	if err := client.HIncrBy(t.Context(), "muster:{a}:ends", fmt.Sprint("n", lane), 1).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.XAdd(t.Context(), &goredis.XAddArgs{Stream: key, ID: "1-0", Values: []string{"t", "a.b", "s", "1", "a", "{", "d", ""}}).Err(); err != nil {
		t.Fatal(err)
	}
	if r := b.Publish(t.Context(), []bus.Msg{m}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := sub.Receive(ctx, 1)
	if err != nil || got[0].ID != "1" {
		t.Fatalf("%v, %v", got, err)
	}
}

// TestAGroupThatIsLostBeginsAnew removes a group behind its members' backs.
func TestAGroupThatIsLostBeginsAnew(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s)
	sub, err := b.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"a.b"}})
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(&goredis.Options{Addr: s.Address()})
	defer func() { _ = client.Close() }()
	if n, err := client.Del(t.Context(), "muster:{a}:group:g").Result(); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if r := b.Publish(t.Context(), []bus.Msg{{ID: "1", Source: "/s", Topic: "a.b"}}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if got, err := sub.Receive(ctx, 1); err != nil || got[0].ID != "1" {
		t.Fatalf("%v, %v", got, err)
	}
}
