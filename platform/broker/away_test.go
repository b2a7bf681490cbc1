package broker_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/broker"
)

func TestAClusterThatIsAwayIsNamed(t *testing.T) {
	t.Parallel()
	cluster, err := broker.Start(t.Context(), broker.Config{StoreDir: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(cluster.URL(), "nats://")
	r := start(t, t.TempDir(), broker.Config{External: cluster.URL()})
	r.publish("orders.placed", "1", "k")
	cluster.Stop()
	post := func() (int, string, http.Header) {
		return r.ask("POST", "/v1/events", "2", "ce-specversion", "1.0", "ce-id", "2", "ce-source", "/test", "ce-type", "orders.placed")
	}
	until(t, "its absence is noticed", func() bool { _, body, _ := post(); return strings.Contains(body, address+" is away") })
	begin := time.Now()
	status, body, header := post()
	if took := time.Since(begin); status != http.StatusServiceUnavailable || !strings.Contains(body, address+" is away") || header.Get("Retry-After") == "" || took > 4*time.Second {
		t.Errorf("after %s: %d %s", took, status, body)
	}
	if status, body, _ := r.ask("GET", "/readyz", ""); status != http.StatusOK { // what is pushed to whom can still be asked and set
		t.Errorf("without its cluster: %d %s", status, body)
	}
}

func TestAClusterThatWasNeverThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, ready := make(chan error, 1), make(chan muster.Settings, 1)
	env := map[string]string{"DATABASE_URL": "sqlite:" + filepath.Join(dir, "parked.db")}
	go func() {
		ended <- muster.Run(ctx, []muster.Service{broker.Service(broker.Config{StoreDir: dir, External: "nats://" + port})}, muster.With(sqlite.Driver),
			muster.Environment(func(name string) (string, bool) { v, ok := env[name]; return v, ok }), muster.LogTo(t.Output()),
			muster.OnReady(func(_ string, s muster.Settings) { ready <- s }))
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("it does not serve without its cluster")
	}
}

func TestABodyThatEndsEarlyIsABadRequest(t *testing.T) {
	t.Parallel()
	r := start(t, t.TempDir(), broker.Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /t\r\nce-type: a.b\r\n\r\nshort"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if s := string(answer); err != nil || !strings.HasPrefix(s, "HTTP/1.1 400 ") || !strings.Contains(s, "Content-Length") {
		t.Errorf("%s %v", s, err)
	}
}
