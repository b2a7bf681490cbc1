package call_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
)

// town is a network in memory, where time may be simulated. An address at which nobody
// listens refuses.
type town struct {
	mu     sync.Mutex
	houses map[string]*house
	dials  map[string]int
}

type house struct {
	conns   chan net.Conn
	stopped chan struct{} // closed: its processes run; open: they are stopped, connections come about all the same
	calls   int           // that were answered, readiness not counted
	closed  sync.Once
	gone    chan struct{}
}

func (h *house) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.gone:
		return nil, net.ErrClosed
	}
}
func (h *house) Close() error   { h.closed.Do(func() { close(h.gone) }); return nil }
func (h *house) Addr() net.Addr { return &net.TCPAddr{} }

func newTown() *town { return &town{houses: map[string]*house{}, dials: map[string]int{}} }

func (w *town) dial(_ context.Context, addr string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials[addr]++
	h := w.houses[addr]
	if h == nil {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	here, there := net.Pipe()
	h.conns <- there
	return here, nil
}

// open has a server listen at addr, which is ready while it runs.
func (w *town) open(t *testing.T, addr string) *house {
	t.Helper()
	h := &house{conns: make(chan net.Conn, 1000), stopped: make(chan struct{}), gone: make(chan struct{})}
	close(h.stopped)
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		stopped := h.stopped
		w.mu.Unlock()
		select {
		case <-stopped:
		case <-r.Context().Done():
			return
		}
		if !strings.HasSuffix(r.URL.Path, "/readyz") {
			w.mu.Lock()
			h.calls++
			w.mu.Unlock()
		}
	})}
	go func() { _ = s.Serve(h) }()
	t.Cleanup(func() { _ = s.Close() })
	w.mu.Lock()
	w.houses[addr] = h
	w.mu.Unlock()
	return h
}

// stop stops the processes at h until the function that it returns is called.
func (w *town) stop(h *house) (goOn func()) {
	stopped := make(chan struct{})
	w.mu.Lock()
	h.stopped = stopped
	w.mu.Unlock()
	return func() { close(stopped) }
}

func (w *town) callsAt(h *house) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return h.calls
}

func (w *town) dialsTo(addr string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[addr]
}

// callFor makes a call every 20 ms, whose answer is waited for 300 ms at most, until the
// time is over or it is enough.
func callFor(t *testing.T, c *call.Caller, d time.Duration, enough func() bool) (took time.Duration) {
	t.Helper()
	client, began := c.Client("stock"), time.Now()
	for time.Since(began) < d && !enough() {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://stock/", http.NoBody)
		if res, err := client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		cancel()
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

func never() bool { return false }

// One call finds out that an instance is gone. From then on no call is used to see whether
// it is back, but when it is, calls go there within a second.
func TestWhoIsGoneIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		w.open(t, "a:1")
		c, _ := newCaller(t, call.Config{Dial: w.dial}, instance("a", "a:1"), instance("b", "b:1"))
		callFor(t, c, time.Minute, never)
		if n := statsOf(t, c).Routes[0].Attempts.Unreachable; n != 1 {
			t.Errorf("%d calls went to an instance that is not there, want 1", n)
		}
		if n := w.dialsTo("b:1"); n < 60 || n > 400 { // 2 endpoints, the first of which refuses
			t.Errorf("%d probes within a minute", n)
		}
		b := w.open(t, "b:1")
		took := callFor(t, c, time.Minute, func() bool { return w.callsAt(b) > 0 })
		if took > time.Second {
			t.Errorf("calls went to it again %s after it was back", took)
		}
		time.Sleep(5 * time.Second) // all is well again
		n := w.dialsTo("b:1")
		if callFor(t, c, time.Minute, never); w.dialsTo("b:1") > n+1 { // a connection may have been closed meanwhile
			t.Errorf("%d connections to one that is well", w.dialsTo("b:1")-n)
		}
		if r := statsOf(t, c).Routes[0]; r.Failed != 0 {
			t.Errorf("%d of %d calls failed", r.Failed, r.Calls)
		}
	})
}

// A process that is stopped accepts connections still. When its ejection is over, its own
// readiness keeps it away for as long as it stays stopped.
func TestWhoIsStoppedIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		w.open(t, "a:1")
		b := w.open(t, "b:1")
		in := instance("b", "b:1")
		in.Endpoints, in.Holder = map[string]string{discovery.HTTP: "b:1"}, discovery.HolderSelf
		c, _ := newCaller(t, call.Config{Dial: w.dial}, instance("a", "a:1"), in)
		callFor(t, c, 2*time.Second, never)
		if w.callsAt(b) == 0 {
			t.Fatal("no call went there while it ran")
		}
		goOn := w.stop(b)
		callFor(t, c, 9*time.Second, never)
		found := statsOf(t, c).Routes[0].Attempts
		if found.Abandoned == 0 {
			t.Fatalf("no call found out that it is stopped: %+v", found)
		}
		callFor(t, c, time.Minute, never)
		if now := statsOf(t, c).Routes[0].Attempts; now.Abandoned != found.Abandoned || now.Unreachable+now.Failed > 0 {
			t.Errorf("in the minute after, calls were lost to it: %+v, before %+v", now, found)
		}
		goOn()
		before := w.callsAt(b)
		if took := callFor(t, c, time.Minute, func() bool { return w.callsAt(b) > before }); took > 2*time.Second {
			t.Errorf("calls went to it again %s after it went on", took)
		}
	})
}

// Where nobody calls, nobody is probed, and Close ends it at once.
func TestProbesEndWithTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		w.open(t, "a:1")
		c, _ := newCaller(t, call.Config{Dial: w.dial}, instance("a", "a:1"), instance("b", "b:1"))
		callFor(t, c, time.Second, never)
		time.Sleep(time.Hour)
		n := w.dialsTo("b:1")
		if n > 100 {
			t.Errorf("%d probes while nobody called", n)
		}
		callFor(t, c, 5*time.Second, never)
		if more := w.dialsTo("b:1") - n; more < 5 {
			t.Errorf("%d probes when there were calls again", more)
		}
		c.Close() // the bubble ends only when its goroutines have
		n = w.dialsTo("b:1")
		if time.Sleep(time.Minute); w.dialsTo("b:1") != n {
			t.Error("probes after Close")
		}
	})
}

// Who is gone from the list is probed no more.
func TestWhoLeftIsNotProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		w.open(t, "a:1")
		c, view := newCaller(t, call.Config{Dial: w.dial}, instance("a", "a:1"), instance("b", "b:1"))
		callFor(t, c, time.Second, never)
		view.Set([]discovery.Instance{instance("a", "a:1")})
		time.Sleep(time.Second)
		n := w.dialsTo("b:1")
		if time.Sleep(5 * time.Second); w.dialsTo("b:1") != n {
			t.Errorf("%d probes of one that left", w.dialsTo("b:1")-n)
		}
	})
}

// A gRPC connection waits before it tries again, longer and longer; after a good probe it
// does not, so that one call more at most does not reach who is back.
func TestWhoIsGoneIsProbedForGRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		serve := func(addr string) *healthServer {
			h := &healthServer{}
			door := &house{conns: make(chan net.Conn, 1000), gone: make(chan struct{})}
			s := grpc.NewServer()
			grpc_health_v1.RegisterHealthServer(s, h)
			go func() { _ = s.Serve(door) }()
			t.Cleanup(s.Stop)
			w.mu.Lock()
			w.houses[addr] = door
			w.mu.Unlock()
			return h
		}
		serve("a:1")
		c, _ := newCaller(t, call.Config{Dial: w.dial}, instance("a", "a:1"), instance("b", "b:1"))
		client := grpc_health_v1.NewHealthClient(c.Dial("stock"))
		ask := func(d time.Duration, enough func() bool) time.Duration {
			began := time.Now()
			for time.Since(began) < d && !enough() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if _, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
					t.Error(err)
				}
				cancel()
				time.Sleep(20 * time.Millisecond)
			}
			return time.Since(began)
		}
		ask(time.Minute, never)
		if n := statsOf(t, c).Routes[0].Attempts.Unreachable; n != 1 {
			t.Errorf("%d calls went to an instance that is not there, want 1", n)
		}
		b := serve("b:1")
		if took := ask(time.Minute, func() bool { return b.hits.Load() > 0 }); took > time.Second {
			t.Errorf("calls went to it again %s after it was back", took)
		}
		if n := statsOf(t, c).Routes[0].Attempts.Unreachable; n > 2 {
			t.Errorf("%d calls did not reach it, at most one more was to", n)
		}
	})
}
