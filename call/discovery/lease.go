package discovery

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/musterdev/muster/problem"
)

// releaseTime bounds each of the two things Release waits for: the beat on its way
// and the deregistration.
const releaseTime = time.Second

// minBeat bounds how often a registry can have an instance beat.
const minBeat = 20 * time.Millisecond

// Lease keeps one instance registered: it beats every second, give or take a tenth,
// which also registers the instance anew after a registry lost its memory. It is
// safe for concurrent use. Client.Hold makes it.
type Lease struct {
	client *Client
	term   string // tells this holding of the id from any other

	mu    sync.Mutex
	self  Instance
	state State // as the registry last returned it; "" before it did

	wake       chan struct{} // beat now
	registered chan struct{}
	draining   chan struct{}
	release    chan struct{}
	ended      chan struct{}
	cancel     context.CancelFunc // ends a beat on its way
	once       sync.Once
}

// Hold registers an instance and keeps it registered until Release. It returns at
// once: the registry may come later. An instance the registry refuses (see
// Instance.Validate) is an error in the log and is tried again all the same.
// Holder is HolderSelf when empty, State is Ready.
func (c *Client) Hold(self Instance) *Lease { return c.HoldAs(self, "") }

// HoldAs is Hold for a process that was told by which lease it is known (see
// LeaseHeader), so that who started it can end its registration and no other. One that
// ValidID does not take is as good as none: a random one is used.
func (c *Client) HoldAs(self Instance, lease string) *Lease {
	if !ValidID(lease) {
		lease = rand.Text()
	}
	if self.Holder == "" {
		self.Holder = HolderSelf
	}
	if self.State == "" {
		self.State = Ready
	}
	l := &Lease{
		client: c, term: lease, self: self,
		wake: make(chan struct{}, 1), registered: make(chan struct{}), draining: make(chan struct{}),
		release: make(chan struct{}), ended: make(chan struct{}),
	}
	if self.State == Draining {
		close(l.draining)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	l.cancel = cancel
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		close(l.ended)
		return l
	}
	c.work.Go(func() { l.beat(ctx) })
	return l
}

// Registered returns a channel that is closed once the registry knows the instance.
func (l *Lease) Registered() <-chan struct{} { return l.registered }

// Draining returns a channel that is closed once the instance drains, because the
// registry was told so by an operator or because Hold, Drain or SetState said so.
func (l *Lease) Draining() <-chan struct{} { return l.draining }

// State returns the instance's state as the registry last returned it, "" before.
func (l *Lease) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// SetState says at once, not at the next beat, what state the instance is in. An
// instance that drains stays so.
func (l *Lease) SetState(s State) {
	l.mu.Lock()
	changed := l.self.State != s && l.self.State != Draining
	if changed {
		l.self.State = s
		if s == Draining {
			close(l.draining)
		}
	}
	l.mu.Unlock()
	if changed {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Drain says that the instance drains and waits for the time callers take to hear of
// it. It returns at once when the instance drains already, for then they have heard.
func (l *Lease) Drain(wait time.Duration) {
	select {
	case <-l.draining:
		return
	default:
	}
	l.SetState(Draining)
	select {
	case <-time.After(wait):
	case <-l.ended:
	}
}

// Release gives the lease back: it ends the beats, then deregisters the instance. It
// takes two seconds at most, less than a millisecond when the registry is well; when
// the registry cannot be told, the lease lapses. Calling it again does nothing.
func (l *Lease) Release() {
	l.once.Do(func() {
		close(l.release)
		defer l.cancel()
		select {
		case <-l.ended:
			return
		case <-time.After(releaseTime):
		}
		l.cancel()
	})
	<-l.ended
}

// beat renews the lease until it is released or ctx ends.
func (l *Lease) beat(ctx context.Context) {
	defer close(l.ended)
	failures, every := 0, BeatEvery
	for ctx.Err() == nil {
		began := time.Now()
		reg, err := l.renew(ctx)
		next := time.Duration(float64(every) * (0.9 + 0.2*mathrand.Float64()))
		switch {
		case err == nil:
			if failures >= warnAfter {
				l.client.log.Info("the instance is registered again", "instance", l.self.ID)
			}
			failures = 0
			if ttl := time.Duration(reg.TTL) * time.Millisecond; ttl > 0 {
				every = min(max(ttl/4, minBeat), BeatEvery)
			}
			next -= time.Since(began)
		case ctx.Err() != nil:
			continue
		default:
			failures++
			l.complain(err, failures)
			next = pause(failures)
		}
		select {
		case <-time.After(next):
		case <-l.wake:
		case <-l.release:
			l.deregister()
			return
		case <-ctx.Done():
		}
	}
	select {
	case <-l.release: // a beat that did not end was cut off
		l.deregister()
	default:
	}
}

// renew makes one beat. An order to drain becomes what the instance says itself, so
// that it stands even when the registry forgets it.
func (l *Lease) renew(ctx context.Context) (Registration, error) {
	l.mu.Lock()
	self := l.self
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, LeaseTTL/2)
	defer cancel()
	reg, err := l.client.remote.put(ctx, self, l.term)
	if err != nil {
		return reg, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == "" {
		close(l.registered)
	}
	l.state = reg.State
	if reg.State == Draining && l.self.State != Draining {
		l.self.State = Draining
		close(l.draining)
	}
	return reg, nil
}

func (l *Lease) complain(err error, failures int) {
	switch {
	case failures == 1 && problem.CodeOf(err) == problem.InvalidArgument:
		l.client.log.Error("the registry refuses the instance, so nobody will find it", "instance", l.self.ID, "error", err)
	case failures == warnAfter:
		l.client.log.Warn("the instance cannot be registered; callers go on with what they know", "instance", l.self.ID, "error", err)
	}
}

func (l *Lease) deregister() {
	// not the lease's context: it may have ended
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	if err := l.client.remote.remove(ctx, l.self.ID, l.term); err != nil {
		l.client.log.Warn("the instance could not be deregistered and lapses", "instance", l.self.ID, "error", err)
	}
}
