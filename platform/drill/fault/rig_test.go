package fault_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
)

// patience bounds what must not hang; it is never waited for when all is well.
const patience = 20 * time.Second

// serve runs a TCP server until the test ends and returns its address.
func serve(t testing.TB, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			work.Go(func() {
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return l.Addr().String()
}

// echo sends back what comes, and ends when that does.
func echo(c *net.TCPConn) {
	_, _ = io.Copy(c, c)
}

func proxy(t *testing.T, target string) *fault.Proxy {
	t.Helper()
	p, err := fault.NewProxy(fault.ProxyConfig{Target: target, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func set(t *testing.T, p *fault.Proxy, toxics fault.Toxics) {
	t.Helper()
	if err := p.Set(toxics); err != nil {
		t.Fatal(err)
	}
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// said sends a word and returns how long its echo took.
func said(t *testing.T, c net.Conn, word string) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != word {
		t.Fatalf("echo %q, %v; want %q", got, err, word)
	}
	return time.Since(began)
}

// silent wants that nothing comes for a while.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := c.Read(make([]byte, 1))
	if e := net.Error(nil); n > 0 || !errors.As(err, &e) || !e.Timeout() {
		t.Errorf("read %d bytes, %v; want silence", n, err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
}

func broken(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v; want a reset", n, err)
	}
}

func remove(t *testing.T, p *fault.Proxy) fault.Proof {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	proof, err := p.Remove(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if proof.Probes < 1 || proof.Took <= 0 || !strings.Contains(proof.Seen, p.Target()) || !p.Toxics().Clean() {
		t.Errorf("proof %+v", proof)
	}
	return proof
}
