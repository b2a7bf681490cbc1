package link

import (
	"context"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/seen"
)

// Trace is how far one request got.
type Trace struct {
	hooks       httptrace.ClientTrace
	once        bool // it is not used again
	begun, sent atomic.Bool
	waits       *Waits
	since       time.Time // when a connection was asked for, where waits are counted; zero: there is one
	queued      time.Duration
}

// Begun reports whether a connection was asked for; if not, net/http refused the request
// itself.
func (t *Trace) Begun() bool { return t.begun.Load() }

// Sent reports whether the request's headers may have reached the peer.
func (t *Trace) Sent() bool { return t.sent.Load() }

// Queued returns how long the request waited for a connection that others used before, as
// far as that is known: where there are no more than so many.
func (t *Trace) Queued() time.Duration { return t.queued }

// Traces hands out traces, some of them again. The zero value is ready; safe for
// concurrent use.
type Traces struct{ free sync.Pool }

// Follow returns a context whose request is followed by the trace. Every trace is ended
// by Answered or Failed.
func (s *Traces) Follow(ctx context.Context, waits *Waits) (context.Context, *Trace) {
	once := waits != nil || httptrace.ContextClientTrace(ctx) != nil // that one's hooks are put into ours
	t, ok := s.free.Get().(*Trace)
	if !ok || once {
		t = &Trace{once: once, waits: waits}
		t.hooks.GetConn = func(string) { t.begun.Store(true) }
		t.hooks.WroteHeaders = func() { t.sent.Store(true) }
	}
	if waits != nil {
		t.hooks.GetConn = func(string) { t.begun.Store(true); t.waiting() }
		t.hooks.GotConn = func(c httptrace.GotConnInfo) { t.waited(true, c) }
	}
	return httptrace.WithClientTrace(ctx, &t.hooks), t
}

// Answered gives back the trace of a request that has its answer: no hook is called any
// more. (That of one whose answer came before it was sent is left to the collector.)
func (s *Traces) Answered(t *Trace) {
	if t.once || !t.sent.Load() {
		return
	}
	t.begun.Store(false)
	t.sent.Store(false)
	s.free.Put(t)
}

// Failed ends the trace of a request that has no answer.
func (t *Trace) Failed() {
	if t.waits != nil {
		t.waited(false, httptrace.GotConnInfo{})
	}
}

// waiting and waited are called by the goroutine that makes the request.
func (t *Trace) waiting() {
	t.since = time.Now()
	t.waits.now.Add(1)
}

func (t *Trace) waited(got bool, c httptrace.GotConnInfo) {
	if t.since.IsZero() {
		return
	}
	took := time.Since(t.since)
	t.since = time.Time{}
	t.waits.now.Add(-1)
	switch {
	case !got:
		t.waits.gaveUp.Add(1)
	case !c.WasIdle:
		if c.Reused {
			t.queued = took
		}
		t.waits.all.Add(1)
		t.waits.sum.Add(int64(took))
	}
}

// Waits are how calls waited for connections, of which there are no more than so many to
// one instance. What it takes to open one counts too.
type Waits struct {
	now    atomic.Int64
	all    atomic.Uint64
	sum    atomic.Int64
	gaveUp atomic.Uint64
}

// Add adds them to what was seen of a service.
func (w *Waits) Add(c *seen.Connections) {
	c.Waiting += w.now.Load()
	c.Waited += w.all.Load()
	c.WaitSum += time.Duration(w.sum.Load())
	c.GaveUp += w.gaveUp.Load()
}
