package http1

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Engine serves HTTP/1.1 on listeners. It is safe for concurrent use.
type Engine struct {
	cfg   Config
	began time.Time
	now   atomic.Int64 // milliseconds since began, as the sweep saw it last
	date  atomic.Pointer[string]
	turns sync.Pool // of *Turn

	closing atomic.Bool
	leaving atomic.Bool
	sweep   sync.Once
	stop    chan struct{} // ends the sweep
	once    sync.Once

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     []*conn
	ended     chan struct{} // closed when there is no connection; nil while nobody waits

	busy atomic.Int64 // requests under way
}

// New returns an engine that serves nothing yet. Shutdown ends it.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg.withDefaults(), began: time.Now(), stop: make(chan struct{}), listeners: map[net.Listener]struct{}{}}
	e.tell(e.began)
	e.turns.New = func() any { return newTurn(e) }
	return e
}

// InFlight returns how many requests are under way; those of other engines are not among them.
func (e *Engine) InFlight() int64 { return e.busy.Load() }

// Serve accepts connections until Shutdown, which makes it return nil, or until the
// listener fails. It closes the listener.
func (e *Engine) Serve(l net.Listener) error {
	defer l.Close()
	if !e.open(l) {
		return nil
	}
	defer e.forget(l)
	e.sweep.Do(func() { go e.sweeping() })
	var pause time.Duration
	for {
		c, err := l.Accept()
		if err == nil {
			pause = 0
			e.start(c)
			continue
		}
		if e.closing.Load() {
			return nil
		}
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Temporary() { //nolint:staticcheck // what Accept says of files that ran out
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-e.stop:
			wait.Stop()
		}
	}
}

func (e *Engine) open(l net.Listener) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() {
		return false
	}
	e.listeners[l] = struct{}{}
	return true
}

func (e *Engine) forget(l net.Listener) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.listeners, l)
}

// start serves one connection.
func (e *Engine) start(nc net.Conn) {
	c := newConn(e, nc)
	e.mu.Lock()
	if e.closing.Load() {
		e.mu.Unlock()
		_ = nc.Close()
		return
	}
	c.at = len(e.conns)
	e.conns = append(e.conns, c)
	e.mu.Unlock()
	go c.serve()
}

// leave forgets a connection that is over.
func (e *Engine) leave(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.conns[len(e.conns)-1]
	e.conns[c.at], last.at = last, c.at
	e.conns[len(e.conns)-1] = nil
	e.conns = e.conns[:len(e.conns)-1]
	if len(e.conns) == 0 && e.ended != nil {
		close(e.ended)
		e.ended = nil
	}
}

// all returns the connections there are.
func (e *Engine) all(into []*conn) []*conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append(into[:0], e.conns...)
}

// Leave makes the next answer of each connection its last, so that clients go elsewhere by
// themselves: another process has the address by then. Shutdown follows.
func (e *Engine) Leave() { e.leaving.Store(true) }

// Shutdown accepts no more connections, closes those that wait for a request and has the
// others close after their answer. When ctx ends it cuts off those that are left and returns
// ctx's error.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closing.Store(true)
	for l := range e.listeners {
		_ = l.Close() // Serve returns
	}
	ended := make(chan struct{})
	if e.ended = ended; len(e.conns) == 0 {
		close(ended)
		e.ended = nil
	}
	e.mu.Unlock()
	defer e.once.Do(func() { close(e.stop) })
	// One that began a request just then is seen when it has ended: it looks at closing.
	for _, c := range e.all(nil) {
		c.dismiss()
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	for _, c := range e.all(nil) {
		c.cut()
	}
	select {
	case <-ended:
	case <-time.After(time.Second): // a session that hears of nothing
	}
	return ctx.Err()
}

// tell has the engine know what time it is.
func (e *Engine) tell(now time.Time) {
	e.now.Store(now.Sub(e.began).Milliseconds() + 1)
	if date := now.UTC().Format(http.TimeFormat); e.date.Load() == nil || *e.date.Load() != date {
		e.date.Store(&date)
	}
}
