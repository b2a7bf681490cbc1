package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// wire is a network of one cable, for tests in fake time: requests reach the handler
// at its other end, or fail at once while there is none.
type wire struct {
	mu      sync.Mutex
	handler http.Handler
	cut     chan struct{}
	sent    []sent
	refuse  func(*http.Request) bool // requests that fail although the handler is there
}

type sent struct {
	at time.Time
	to string // "PUT /v1/instances/c1"
}

var errRefused = errors.New("connection refused")

// connect puts a handler at the other end; nil is a peer that was killed.
func (w *wire) connect(h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut != nil {
		close(w.cut)
	}
	w.handler, w.cut = h, make(chan struct{})
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	h, cut := w.handler, w.cut
	w.sent = append(w.sent, sent{time.Now(), req.Method + " " + req.URL.Path})
	refused := h == nil || w.refuse != nil && w.refuse(req)
	w.mu.Unlock()
	if refused {
		return nil, errRefused
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	in := req.Clone(ctx)
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec, done := httptest.NewRecorder(), make(chan struct{})
	go func() { h.ServeHTTP(rec, in); close(done) }()
	select {
	case <-done:
		return rec.Result(), nil
	case <-cut:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// count returns how many requests that begin with prefix were sent.
func (w *wire) count(prefix string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if strings.HasPrefix(s.to, prefix) {
			n++
		}
	}
	return n
}

// world is a registry, its wire and clients of it, in a bubble of fake time.
type world struct {
	*testing.T
	wire wire
	stop func() // the registry
}

func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(&world{T: t}) })
}

func (w *world) start(cfg Config) *Registry {
	w.Helper()
	var r *Registry
	r, w.stop = run(w.T, cfg)
	w.wire.connect(r)
	return r
}

// kill cuts the registry off, as a kill would; its file is as of then or newer.
func (w *world) kill() {
	w.wire.connect(nil)
	w.stop()
}

func (w *world) client(cfg discovery.ClientConfig) *discovery.Client {
	w.Helper()
	cfg.URL, cfg.HTTP = "http://registry", &http.Client{Transport: &w.wire}
	c, err := discovery.NewClient(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(c.Close)
	return c
}

// pass lets time pass, then all that is due come to rest.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) expect(view *discovery.View, want string) {
	w.Helper()
	if got := ids(view.Instances()); got != want {
		w.Errorf("the view shows %q, want %q", got, want)
	}
}

// ids lists instances as "c1 c2*", with a star at those that drain and a question
// mark at those that start.
func ids(list []discovery.Instance) string {
	words := make([]string, len(list))
	for i, in := range list {
		words[i] = in.ID + map[discovery.State]string{discovery.Draining: "*", discovery.Starting: "?"}[in.State]
	}
	return strings.Join(words, " ")
}

// neverBelow fails the test when the view ever shows fewer than n instances.
func (w *world) neverBelow(view *discovery.View, n int) {
	go func() {
		for {
			changed := view.Changed()
			if list := view.Instances(); len(list) < n {
				w.Errorf("after %v the view shows only %q", time.Now(), ids(list))
			}
			select {
			case <-changed:
			case <-w.Context().Done():
				return
			}
		}
	}()
}

func hold(c *discovery.Client, service string, n int) []*discovery.Lease {
	leases := make([]*discovery.Lease, n)
	for i := range leases {
		leases[i] = c.Hold(instance(service, fmt.Sprintf("%s-%03d", service, i), discovery.Ready))
	}
	return leases
}

// gaps returns the pauses between requests that begin with prefix, sorted.
func (w *wire) gaps(prefix string) (gaps []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	for _, s := range w.sent {
		if strings.HasPrefix(s.to, prefix) {
			if !last.IsZero() {
				gaps = append(gaps, s.at.Sub(last))
			}
			last = s.at
		}
	}
	slices.Sort(gaps)
	return gaps
}
