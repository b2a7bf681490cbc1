// Package mirror sends copies of requests to another service, to see how it does with real
// traffic: its answers are thrown away. A copy never makes its request wait: what cannot be
// sent at once, or is too large, is dropped and counted.
package mirror

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/route"
)

// Header marks a copy, so that a service can tell.
const Header = "X-Muster-Mirror"

const (
	usualBody = 64 << 10 // of a copy, where its route does not say, in bytes
	maxAnswer = 1 << 20  // of an answer that is read, so that its connection can be used again
)

// Config says how copies are sent. Send is needed.
type Config struct {
	// Send makes the call, as (*call.Caller).RoundTrip does.
	Send func(r *http.Request, op call.Op) (*http.Response, error)
	// MaxCopies are under way at a time; 0: 256.
	MaxCopies int
	// MaxBytes of bodies are held at a time; 0: 16 MiB.
	MaxBytes int64
	// Timeout bounds one copy; 0: 10 s.
	Timeout time.Duration
}

// Sender sends copies. It is safe for concurrent use.
type Sender struct {
	cfg   Config
	total *prometheus.CounterVec
	ctx   context.Context //nolint:containedctx // it ends with Close
	end   context.CancelFunc

	mu     sync.Mutex
	copies int   // under way
	bytes  int64 // held
	ended  bool
	done   sync.WaitGroup
}

// The results that are counted.
const (
	answered = "answered" // whatever the answer was
	failed   = "failed"   // no answer came
	dropped  = "dropped"  // too many were under way
	tooLarge = "too_large"
	broken   = "broken" // the request itself did not come to its end
)

// New returns a Sender. Close ends it.
func New(cfg Config) *Sender {
	cfg.MaxCopies = cmp.Or(cfg.MaxCopies, 256)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 16<<20)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	s := &Sender{cfg: cfg, total: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_edge_mirrored_total", Help: "Copies of requests, by the service that gets them and what came of them.",
	}, []string{"service", "result"})}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Describe implements prometheus.Collector.
func (s *Sender) Describe(ch chan<- *prometheus.Desc) { s.total.Describe(ch) }

// Collect implements prometheus.Collector.
func (s *Sender) Collect(ch chan<- prometheus.Metric) { s.total.Collect(ch) }

// Close cuts off the copies that are under way and waits for them.
func (s *Sender) Close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.end()
	s.done.Wait()
}

// Copy is a copy that is being made. A nil Copy does nothing. It is safe for concurrent use.
type Copy struct {
	sender *Sender
	to     *route.Mirror
	req    *http.Request
	most   int64
	length int64 // of the body; negative: not known

	mu   sync.Mutex
	body bytes.Buffer
	held int64 // of the sender's bytes
	over bool  // it was sent or dropped
}

// Begin begins a copy of a request, which has this header, path and Host on its way out;
// nil when there is to be none. The length is that of its body, negative when nobody knows.
// [Copy.Read] sees the body pass by; End must be called.
func (s *Sender) Begin(to *route.Mirror, r *http.Request, length int64) *Copy {
	if s == nil || to == nil || !to.Unsafe && !harmless(r.Method) {
		return nil
	}
	if to.Percent > 0 && rand.IntN(100) >= to.Percent {
		return nil
	}
	c := &Copy{sender: s, to: to, most: cmp.Or(to.MaxBody, usualBody), length: length}
	if length > c.most {
		s.count(to, tooLarge)
		return nil
	}
	c.held = max(length, 0)
	if !s.take(1, c.held) {
		s.count(to, dropped)
		return nil
	}
	u := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}
	c.req = &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: r.Header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for _, name := range []string{"Expect", "expect", "Connection", "Upgrade"} {
		delete(c.req.Header, name)
	}
	c.req.Header.Set(Header, "1")
	if length == 0 {
		c.send()
	}
	return c
}

func harmless(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Read notes what was read of the request's body, and its end.
func (c *Copy) Read(p []byte, err error) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	size := int64(c.body.Len() + len(p))
	if size > c.most {
		c.drop(tooLarge)
		return
	}
	if more := size - c.held; more > 0 {
		if !c.sender.take(0, more) {
			c.drop(dropped)
			return
		}
		c.held += more
	}
	c.body.Write(p)
	switch {
	case err == io.EOF || size == c.length: //nolint:errorlint // the end itself
		c.send()
	case err != nil:
		c.drop(broken)
	}
}

// End is the end of the request. A copy whose body has not come to its end is dropped.
func (c *Copy) End() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.drop(broken)
	}
}

func (c *Copy) drop(why string) {
	c.over = true
	c.body = bytes.Buffer{}
	c.sender.give(c.held)
	c.sender.count(c.to, why)
}

// send sends the copy, on its own. Nobody touches the body any more.
func (c *Copy) send() {
	c.over = true
	s, body, held := c.sender, c.body.Bytes(), c.held
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		c.drop(dropped)
		return
	}
	s.done.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.done.Done()
		defer s.give(held)
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
		defer cancel()
		r := c.req.WithContext(ctx)
		if len(body) > 0 {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		res, err := s.cfg.Send(r, call.Op{Service: c.to.Service, Endpoint: discovery.HTTP})
		if err != nil {
			s.count(c.to, failed)
			return
		}
		_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // nobody wants it
		_ = res.Body.Close()
		s.count(c.to, answered)
	}()
}

// take takes a place among the copies, and bytes, if there are any left.
func (s *Sender) take(copies int, size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.copies+copies > s.cfg.MaxCopies || s.bytes+size > s.cfg.MaxBytes {
		return false
	}
	s.copies += copies
	s.bytes += size
	return true
}

// give gives back the place of one copy and its bytes.
func (s *Sender) give(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copies--
	s.bytes -= size
}

func (s *Sender) count(to *route.Mirror, result string) {
	s.total.WithLabelValues(to.Service, result).Inc()
}
