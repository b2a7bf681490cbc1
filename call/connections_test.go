package call_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/seen"
)

// connections returns how the calls to stock stand with their connections.
func connections(c *call.Caller) seen.Connections {
	for _, s := range c.Stats() {
		if s.Connections != nil {
			return *s.Connections
		}
	}
	return seen.Connections{}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// An instance gets no more connections than are said; calls beyond wait for one, are seen
// to, and leave when their time is up.
func TestBoundedConnections(t *testing.T) {
	release := make(chan struct{})
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c, view := newCaller(t, call.Config{}, instance("a", s.Listener.Addr().String()))
	say(view, `{"settings":{"bulkhead":{"connections":2}},"routes":{"/soon":{"settings":{"timeout":"50ms","bulkhead":{"connections":2}}}}}`)
	var calls sync.WaitGroup
	for range 5 {
		calls.Go(func() {
			if got, err := get(t, c.Client("stock"), "http://stock/"); got != "done" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	until(t, "three calls wait", func() bool { return opened.Load() == 2 && connections(c).Waiting == 3 })
	if said := c.Stats()[0].Unusual(time.Now()); len(said) != 1 || said[0] != "3 calls wait for a connection, of which an instance gets 2" {
		t.Errorf("said %q", said)
	}
	if _, err := get(t, c.Client("stock"), "http://stock/soon"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while all connections are taken: %v", err)
	}
	if n := connections(c); n.GaveUp != 1 || n.Waiting != 3 {
		t.Errorf("after one left: %+v", n)
	}
	close(release)
	calls.Wait()
	if n := connections(c); n.PerInstance != 2 || n.Waiting != 0 || n.Waited != 5 || n.WaitSum <= 0 || opened.Load() != 2 {
		t.Errorf("at the end: %+v; %d connections", n, opened.Load())
	}
	if _, err := get(t, c.Client("stock"), "http://stock/"); err != nil || connections(c).Waited != 5 {
		t.Errorf("%v; a call that finds a free connection waited: %+v", err, connections(c))
	}

	say(view, `{"settings":{"bulkhead":{"connections":1}}}`)
	if _, err := get(t, c.Client("stock"), "http://stock/"); err != nil {
		t.Error(err)
	}
	if n := connections(c); n.PerInstance != 1 || n.Waited < 5 {
		t.Errorf("with another bound: %+v", n)
	}
	say(view, `{}`)
	if n := connections(c); n != (seen.Connections{}) {
		t.Errorf("with none: %+v", n)
	}
}
