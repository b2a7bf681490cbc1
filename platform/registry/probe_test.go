package registry

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// An error of this side says nothing about the other.
func TestErrorsOfTheProbe(t *testing.T) {
	for name, tc := range map[string]struct {
		err          error
		alive, known bool
	}{
		"none":                    {nil, true, true},
		"refused":                 {&net.OpError{Err: syscall.ECONNREFUSED}, false, true},
		"no route to the host":    {&net.OpError{Err: syscall.EHOSTUNREACH}, false, true},
		"no such host":            {&net.DNSError{IsNotFound: true}, false, true},
		"the resolver is away":    {&net.DNSError{IsTemporary: true}, false, false},
		"this host has no route":  {&net.OpError{Err: syscall.ENETUNREACH}, false, false},
		"too many files are open": {&net.OpError{Err: syscall.EMFILE}, false, false},
	} {
		r := New(Config{Dial: func(context.Context, string) (net.Conn, error) {
			if tc.err != nil {
				return nil, tc.err
			}
			a, _ := net.Pipe()
			return a, nil
		}})
		alive, known := r.ask(t.Context(), map[string]string{"http": "a:1", "grpc": "a:2"})
		if alive != tc.alive || known != tc.known {
			t.Errorf("%s: alive %v, known %v", name, alive, known)
		}
	}
}

// The real dialer finds who listens and who does not.
func TestProbeOverTheNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	r := New(Config{})
	if alive, known := r.ask(t.Context(), map[string]string{"http": address}); !alive || !known {
		t.Errorf("who listens: alive %v, known %v", alive, known)
	}
	_ = l.Close()
	if alive, known := r.ask(t.Context(), map[string]string{"http": address}); alive || !known {
		t.Errorf("who does not: alive %v, known %v", alive, known)
	}
}

// With real connections: ten that listen and never beat again are kept from lease to
// lease; when eight of them end, these are gone with their next one.
func TestSilentInstancesOverTheNetwork(t *testing.T) {
	const ttl = 400 * time.Millisecond
	var asked atomic.Int32
	dialer := &net.Dialer{}
	r, _ := run(t, Config{TTL: ttl, Dial: func(ctx context.Context, address string) (net.Conn, error) {
		asked.Add(1)
		return dialer.DialContext(ctx, "tcp", address)
	}})
	var listeners []net.Listener
	for i := range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		listeners = append(listeners, l)
		exchange(r, "PUT", fmt.Sprintf("/v1/instances/c%d", i), fmt.Sprintf(`{"service":"cart","endpoints":{"http":%q}}`, l.Addr()))
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %s", what, show(catalog(r)))
			}
		}
	}
	wait("each was asked three times", func() bool { return asked.Load() >= 30 })
	if n := len(catalog(r).Services["cart"]); n != 10 {
		t.Errorf("%d of 10 are left although all listen", n)
	}
	for _, l := range listeners[2:] {
		_ = l.Close()
	}
	began := time.Now()
	wait("eight are gone", func() bool { return len(catalog(r).Services["cart"]) == 2 })
	t.Logf("eight were gone after %v, of a lease of %v", time.Since(began).Round(time.Millisecond), ttl)
}
