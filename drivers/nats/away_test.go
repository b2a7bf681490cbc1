package nats

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/musterdev/muster/bus/away"
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
	address := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log lines
	begin := time.Now()
	opened, err := Driver.OpenBus(t.Context(), "nats://u:secret@"+address.String(), "test", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	b := opened.(*broker)
	said := func() int { return strings.Count(log.all(), "the broker is away: events wait") }
	eventually(t, "it is said by itself", func() bool { return said() > 0 })
	if took := time.Since(begin); took < away.Soon || took > 2*away.Soon {
		t.Errorf("it was said after %s", took)
	}
	if s := log.all(); !strings.Contains(s, "broker="+address.String()) || !strings.Contains(s, "refused") || strings.Contains(s, "secret") {
		t.Error(s)
	}
	if err := b.Away(); problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), address.String()) || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	var reminding sync.WaitGroup
	reminding.Go(func() { b.remind(time.Millisecond, 10*time.Millisecond) })
	eventually(t, "it is said again", func() bool { return said() > 4 })

	options := server.Options{ServerName: "t", Host: "127.0.0.1", Port: address.Port, NoSigs: true, NoLog: true}
	there, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	there.Start()
	defer there.Shutdown()
	eventually(t, "it is there", func() bool { return b.Away() == nil })
	before := said()
	there.Shutdown()
	there.WaitForShutdown()
	eventually(t, "it is said when the connection is lost", func() bool { return said() > before+2 })
	if err := b.Away(); problem.CodeOf(err) != problem.Unavailable {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	reminding.Wait()
}
