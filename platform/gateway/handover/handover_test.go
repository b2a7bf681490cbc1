package handover_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/handover"
)

// old is a process that hands over. It returns the socket, and what became of it.
func old(t *testing.T, list []handover.Named) (socket string, became <-chan error) {
	t.Helper()
	dir := t.TempDir()
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 8)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		drain, err := handover.Asked(r)
		if err != nil || drain != time.Minute {
			http.Error(w, fmt.Sprint(drain, err), http.StatusBadRequest)
			return
		}
		c, err := handover.Accept(w)
		if err != nil {
			t.Error(err)
			return
		}
		if err = handover.Answer(c, list); err != nil {
			_ = c.Close()
		} else {
			for _, one := range list {
				_ = one.Listener.Close()
			}
			err = handover.Left(c)
		}
		ended <- err
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return socket, ended
}

func tcp(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A connection that was made before the handover and accepted by nobody is served after it.
func TestHandover(t *testing.T) {
	list := []handover.Named{}
	for i := range 300 { // more than one message can carry
		list = append(list, handover.Named{Name: fmt.Sprint("tcp ", i), Listener: tcp(t)})
	}
	addr := list[7].Listener.Addr().String()
	early, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	socket, became := old(t, list)
	taken, err := handover.Take(t.Context(), socket, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	l := taken.Listener("tcp 7")
	if l == nil || l.Addr().String() != addr {
		t.Fatalf("%v, want %s", l, addr)
	}
	defer l.Close()
	if taken.Listener("tcp 7") != nil || taken.Listener("other") != nil {
		t.Error("there is a listener more")
	}
	if err := taken.Serving(); err != nil {
		t.Fatal(err)
	}
	if err := <-became; err != nil {
		t.Fatal(err)
	}
	late, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	for _, want := range []net.Conn{early, late} {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if c.RemoteAddr().String() != want.LocalAddr().String() {
			t.Errorf("accepted %s, want %s", c.RemoteAddr(), want.LocalAddr())
		}
		_ = c.Close()
	}
	if _, err := net.Dial("tcp", list[8].Listener.Addr().String()); err == nil {
		t.Error("a listener that nobody wanted is still open")
	}
	if err := taken.Close(); err != nil {
		t.Error(err)
	}
}

// A new process that gives up, or dies, leaves the old one as it was.
func TestGivenUp(t *testing.T) {
	l := tcp(t)
	socket, became := old(t, []handover.Named{{Name: "a", Listener: l}})
	taken, err := handover.Take(t.Context(), socket, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-became; err == nil || !strings.Contains(err.Error(), "did not come to serve") {
		t.Errorf("%v", err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := l.Accept(); err != nil {
		t.Errorf("the old process cannot accept any more: %v", err)
	}
}

// A new process whose word is heard only after its end, as when the old one was stopped
// meanwhile, does not serve: nobody would.
func TestEndedSince(t *testing.T) {
	socket, became := old(t, nil)
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST %s?drain=1m HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", handover.Path, handover.Protocol); err != nil {
		t.Fatal(err)
	}
	for b := []byte{1}; b[0] != 0; { // the end of the listeners
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("S")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-became; err == nil || !strings.Contains(err.Error(), "ended or gave up") {
		t.Errorf("%v", err)
	}
}

func TestRefused(t *testing.T) {
	if _, err := handover.Take(t.Context(), filepath.Join(t.TempDir(), "none"), 0); err == nil || !strings.Contains(err.Error(), "nobody to take over from") {
		t.Errorf("%v", err)
	}
	socket, _ := old(t, nil)
	if _, err := handover.Take(t.Context(), socket, time.Hour); err == nil || !strings.Contains(err.Error(), "does not hand over") {
		t.Errorf("%v", err)
	}
	cut := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", cut)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for what, says := range map[string]string{
		"":                                  "did not answer",
		"HTTP/1.1 200 OK\r\n\r\n":           "does not hand over",
		"HTTP/1.1 101 Yes\r\n\r\n":          "take the listeners over",
		"HTTP/1.1 101 Yes\r\n\r\n\x03abc":   "a name without a listener",
		"HTTP/1.1 101 Yes\r\nX: y\r\n\r\na": "a name without a listener",
	} {
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, what)
		}()
		if _, err := handover.Take(t.Context(), cut, 0); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", what, err, says)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := handover.Take(ctx, cut, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
