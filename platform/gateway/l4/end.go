package l4

import (
	"context"
	"time"
)

// follow takes note of a pipe, until the func is called, and bounds its silence.
func (p *Proxy) follow(one *pipe, idle time.Duration) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hurried {
		idle = min(idle, p.cfg.EndIdle)
	}
	one.idle.Store(int64(idle))
	p.pipes[one] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pipes, one)
	}
}

// hurry ends connections that are silent for Config.EndIdle from now on.
func (p *Proxy) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurried = true
	for one := range p.pipes {
		if one.idle.Load() > int64(p.cfg.EndIdle) {
			one.hurry(p.cfg.EndIdle)
		}
	}
}

// wasSilent returns how a connection ended that was silent for too long.
func (p *Proxy) wasSilent() End {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hurried {
		return Cut
	}
	return p.was(Idle)
}

// was returns how a connection ended, unless it did because the proxy does.
func (p *Proxy) was(end End) End {
	if p.ctx.Err() != nil {
		return Cut
	}
	return end
}

// stop accepts no more connections.
func (p *Proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return
	}
	p.ending = true
	for l := range p.listeners {
		_ = l.Close() // Serve returns
	}
	if len(p.open) == 0 {
		close(p.none)
	}
}

// Shutdown accepts no more connections and waits for those that are open. When ctx ends
// it resets those that are left and returns ctx's error. Call it once.
func (p *Proxy) Shutdown(ctx context.Context) error {
	p.stop()
	var err error
	select {
	case <-p.none:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.cut()
	p.mu.Lock()
	for conn := range p.open {
		reset(conn) // also one that has no instance yet
	}
	p.mu.Unlock()
	if err != nil {
		<-p.none // all of them end by that
	}
	if !p.shared {
		p.caller.Close()
	}
	return err
}
