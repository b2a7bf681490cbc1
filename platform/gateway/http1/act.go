package http1

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// nudge has an idle connection look whether there is something to read; it is the sweep's.
func (c *conn) nudge(w uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.CompareAndSwap(w, w|overdue) {
		c.nudged = true
		_ = c.net.SetReadDeadline(time.Unix(1, 0)) // as above
	}
}

// extend gives what is waited for another d, unless the wait is over; false when it was ended.
func (c *conn) extend(d time.Duration) bool {
	until := c.engine.now.Load() + max(1, d.Milliseconds())
	for {
		w := c.state.Load()
		if w&overdue != 0 {
			return false
		}
		if phaseOf(w) != waiting || c.state.CompareAndSwap(w, word(waiting, until)) {
			return true
		}
	}
}

// late ends a wait that lasted too long; it is the sweep's.
func (c *conn) late(w uint64) {
	if phaseOf(w) == writing && c.fd >= 0 && takes(c.fd) {
		if c.hungUp() {
			c.left(w)
			return
		}
		// it is not the client that is waited for
		c.state.CompareAndSwap(w, word(writing, c.engine.now.Load()+c.engine.cfg.StallTimeout.Milliseconds()))
		return
	}
	c.stop(w, errLate)
}

// hungUp reports whether the client has gone.
func (c *conn) hungUp() bool { return c.fd >= 0 && len(watched{}.add(c.fd).gone()) > 0 }

// left ends the wait of a request whose client has gone; it is the sweep's.
func (c *conn) left(w uint64) {
	if phaseOf(w) == writing && full(c.fd) {
		return // it says nothing more, but may take its time over the answer
	}
	c.stop(w, errGone)
}

// slow tells of a wait that takes long; it is the sweep's.
func (c *conn) slow(w uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.state.CompareAndSwap(w, w|overdue) {
		return // it went on
	}
	c.nudged = true // who goes on meanwhile waits for the lock, and then does
	if p, ok := c.turn.waiter.(Patient); ok {
		p.Slow()
	}
	if c.state.CompareAndSwap(w|overdue, w) {
		c.nudged = false
	}
}

// errLate is why a request ends for whose answer it was waited too long.
var errLate = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

func (c *conn) stop(w uint64, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.state.CompareAndSwap(w, w|overdue) {
		return // it went on
	}
	past := time.Unix(1, 0)
	switch phaseOf(w) {
	case idle, reading, lingering:
		_ = c.net.SetReadDeadline(past) // one that is closed needs none
	case writing:
		_ = c.net.SetDeadline(past)
		if errors.Is(why, errGone) { // what was to be moved to it may not come for long
			c.turn.interrupt(why)
		}
	case waiting:
		c.turn.interrupt(why)
	default:
	}
}

// dismiss closes a connection that has no request.
func (c *conn) dismiss() {
	if w := c.state.Load(); (phaseOf(w) == idle || phaseOf(w) == lingering) && w&overdue == 0 {
		c.stop(w, errIdle)
	}
}

// cut ends whatever the connection does.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		w := c.state.Load()
		if phaseOf(w) == over {
			return
		}
		if !c.state.CompareAndSwap(w, w|overdue) {
			continue
		}
		if p := phaseOf(w); (p == waiting || p == writing) && w&overdue == 0 {
			c.turn.interrupt(fmt.Errorf("the edge ends: %w", context.Canceled))
		}
		_ = c.net.SetDeadline(time.Unix(1, 0))
		return
	}
}
