package http1

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// life is the context of one request. Most are never waited for: so nothing is made until
// somebody asks for Done, and one that was not asked is used again for the next request.
type life struct {
	ended atomic.Bool
	kept  atomic.Bool // somebody may still hold it

	mu    sync.Mutex
	err   error
	until time.Time
	done  chan struct{}
	after map[*func()]struct{}
}

var _ context.Context = (*life)(nil)

// Deadline returns until when the client waits, as it said.
func (l *life) Deadline() (time.Time, bool) { return l.until, !l.until.IsZero() }

// Err returns why the request is over, nil while it is not.
func (l *life) Err() error {
	if !l.ended.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Done is closed when the request is over.
func (l *life) Done() <-chan struct{} {
	l.kept.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.err != nil {
			close(l.done)
		}
	}
	return l.done
}

// Value returns nil: a request has no values but those that others put around it.
func (*life) Value(any) any { return nil }

// AfterFunc has package context hear of the end without a goroutine for each of its children.
func (l *life) AfterFunc(f func()) (stop func() bool) {
	l.kept.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		go f()
		return func() bool { return false }
	}
	if l.after == nil {
		l.after = map[*func()]struct{}{}
	}
	key := &f
	l.after[key] = struct{}{}
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, there := l.after[key]
		delete(l.after, key)
		return there
	}
}

// end ends the request; only the first reason counts.
func (l *life) end(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	l.ended.Store(true)
	after := l.after
	l.after = nil
	if l.done != nil {
		close(l.done)
	}
	l.mu.Unlock()
	for f := range after {
		(*f)()
	}
}

// renewed returns the life of the next request: this one, unless somebody may hold it.
func (l *life) renewed() *life {
	if l == nil || l.kept.Load() || l.ended.Load() {
		if l != nil {
			l.end(context.Canceled)
		}
		return &life{}
	}
	l.until = time.Time{}
	return l
}
