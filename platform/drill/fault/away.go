package fault

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// awayEvery is how often a target that refuses is dialled until it is back.
const awayEvery = 10 * time.Millisecond

// targetAway notes that the target refuses dials, so that the proxy does too.
func (p *Proxy) targetAway() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.away {
		return
	}
	p.away = true
	_ = p.settle() // a listener that is closed twice is closed
	p.work.Go(p.awaitTarget)
}

// awaitTarget dials until the target does anything but refuse, and listens again.
func (p *Proxy) awaitTarget() {
	for rest(p.ctx, awayEvery) {
		conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(p.ctx, "tcp", p.target)
		if err == nil {
			_ = conn.Close() // it was only to see
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		p.mu.Lock()
		p.away = false
		p.away = p.settle() != nil // the port is lost: it may come back
		away := p.away
		p.mu.Unlock()
		if !away {
			return
		}
	}
}

// rest waits and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
