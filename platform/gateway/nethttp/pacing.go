package nethttp

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/platform/gateway/pace"
)

// pacing bounds all waits for a body's bytes together. An alarm does, as a deadline of HTTP/2
// could not be taken back.
type pacing struct {
	sender pace.Sender
	begun  bool      // the answer has begun: the body may be a stream from now on
	since  time.Time // from when on a wait counts; zero: there is none
	alarm  *time.Timer
}

// next is when to look again whether it is the client that is waited for, which has so much
// time left: the nearer its end, the sooner.
func next(left time.Duration) time.Duration {
	return min(left, time.Second, max(10*time.Millisecond, left/4))
}

// wait begins a wait. p.mu is held, as it is for waited.
func (p *patience) wait() {
	p.since = time.Now()
	switch d := p.sender.Within(p.stall); {
	case p.begun || d >= p.stall: // the deadline is nearer
	case p.alarm == nil:
		p.alarm = time.AfterFunc(next(d), p.late)
	default:
		p.alarm.Reset(next(d))
	}
}

// waited ends a wait that brought n bytes.
func (p *patience) waited(n int) {
	if p.alarm != nil {
		p.alarm.Stop()
	}
	p.sender.Waited(time.Since(p.since), n)
	p.since = time.Time{}
}

// late ends a wait that lasted too long.
func (p *patience) late() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.begun || p.since.IsZero() {
		return
	}
	now := time.Now()
	if p.crowded() {
		p.since = now
	}
	left := p.sender.Within(p.stall) - now.Sub(p.since)
	if left > 0 {
		p.alarm.Reset(next(left))
		return
	}
	_ = p.control.SetReadDeadline(time.Unix(1, 0)) // a connection that is gone fails the read itself
}

// answers notes that the answer begins.
func (p *patience) answers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = true
}

// LeastRate has another rate hold for the body than the engine's, as [pace.Least] has it.
func (b *body) LeastRate(rate int64) {
	p := (*patience)(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sender.At(rate)
}

// crowded reports whether something of another body may lie here, while this one is read.
func (p *patience) crowded() bool {
	b, ok := p.body.(*shared)
	return ok && b.of.open.Load() > b.of.read.Load()
}

type bodiesKey struct{}

// bodies are those of one connection of HTTP/2, which share its window. Those that nobody is
// just reading may have filled that.
type bodies struct{ open, read atomic.Int64 }

// shared is one of them.
type shared struct {
	io.ReadCloser

	of   *bodies
	gone atomic.Bool
}

func share(r *http.Request) *shared {
	of, ok := r.Context().Value(bodiesKey{}).(*bodies)
	if !ok {
		of = &bodies{} // it is alone then
	}
	of.open.Add(1)
	return &shared{ReadCloser: r.Body, of: of}
}

// Read implements io.Reader.
func (b *shared) Read(p []byte) (int, error) {
	b.of.read.Add(1)
	n, err := b.ReadCloser.Read(p)
	b.of.read.Add(-1)
	if err != nil {
		b.leave()
	}
	return n, err
}

// leave is called when no more of it is read.
func (b *shared) leave() {
	if !b.gone.Swap(true) {
		b.of.open.Add(-1)
	}
}
