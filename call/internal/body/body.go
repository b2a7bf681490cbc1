// Package body holds the bodies of one HTTP call over its attempts.
package body

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// Rewinder hands out the request's body once an attempt: made anew by GetBody where
// there is one, else the original for as long as no attempt has read of it.
type Rewinder struct {
	Request *http.Request

	mu       sync.Mutex
	current  *unclosed // the copy of the running attempt
	released bool      // that attempt closed its copy
	read     bool      // an attempt began to read the original
	broken   bool      // reading it failed
	answered bool      // the attempt that got the answer may go on reading
}

// ErrGone is returned for a body that was read and cannot be made anew.
var ErrGone = errors.New("the request's body was read and cannot be repeated")

func (b *Rewinder) empty() bool {
	return b.Request.Body == nil || b.Request.Body == http.NoBody
}

// Repeatable reports whether a request that was sent can be sent again.
func (b *Rewinder) Repeatable() bool { return b.empty() || b.Request.GetBody != nil }

// Next returns the body for the next attempt, or ErrGone.
func (b *Rewinder) Next() (io.ReadCloser, error) {
	if b.empty() {
		return b.Request.Body, nil
	}
	if b.Request.GetBody != nil {
		return b.Request.GetBody()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read {
		return nil, ErrGone
	}
	b.current, b.released = &unclosed{of: b}, false
	return b.current, nil
}

// Broken reports whether an attempt could not read the original: no instance is at fault then.
func (b *Rewinder) Broken() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

// End is called when no attempt follows. After an answer the transport may still be
// reading the original, or be about to, as in a stream that the server begins; then
// closing it is left to the transport.
func (b *Rewinder) End(answered bool) {
	if b.empty() {
		return
	}
	b.mu.Lock()
	b.answered = answered
	left := b.read || answered && b.current != nil && !b.released
	b.mu.Unlock()
	if !left {
		_ = b.Request.Body.Close()
	}
}

// unclosed is the original body as one attempt sees it. Closing it ends the
// original only when no other attempt can need that.
type unclosed struct {
	of   *Rewinder
	read bool
}

func (u *unclosed) Read(p []byte) (int, error) {
	u.of.mu.Lock()
	u.read, u.of.read = true, true
	u.of.mu.Unlock()
	n, err := u.of.Request.Body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.of.mu.Lock()
		u.of.broken = u.of.broken || !u.of.released // one that is closed fails to be read whoever is at fault
		u.of.mu.Unlock()
	}
	return n, err
}

func (u *unclosed) Close() error {
	b := u.of
	b.mu.Lock()
	late := b.current != u // an earlier attempt's transport, tidying up
	b.released = b.released || !late
	last := u.read || b.answered && !late
	b.mu.Unlock()
	if last {
		return b.Request.Body.Close()
	}
	return nil
}
