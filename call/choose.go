package call

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// choose picks a member that was not tried yet; when all were, it gives them time, or a
// new one to appear. It returns a ticket for it and when that was.
func (k *course[T]) choose(ctx context.Context, n int, now time.Time) (*Ticket, time.Time, error) {
	changed := k.target.Pool.View.Changed()
	k.mu.Lock()
	tried := k.tried
	k.mu.Unlock()
	m, at, err := k.next(ctx, tried, now)
	if err != nil {
		return nil, at, err
	}
	if n > 1 && slices.Contains(tried, m) {
		m.End()
		pool.Pause(ctx, changed, max(leastPause<<min(n-2, 5), k.target.Policy.Retry.Pause(n-1)))
		if m, at, err = k.next(ctx, tried, time.Now()); err != nil {
			return nil, at, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Contains(k.tried, m) {
		k.tried = append(k.tried, m) // what was read before stays as it was
	}
	t := &k.ticket
	if k.taken {
		t = &Ticket{}
	}
	k.taken = true
	in := m.Instance()
	t.Instance, t.Addr, t.member = *in, in.Endpoints[k.op.Endpoint], m
	return t, at, nil
}

// next chooses a member, waiting a bounded time for one to appear, and returns when.
func (k *course[T]) next(ctx context.Context, tried []*pool.Member, now time.Time) (*pool.Member, time.Time, error) {
	p := k.target.Pool
	if m := p.Choose(k.op.want(), k.op.along(), tried, now); m != nil {
		return m, now, nil
	}
	var timeout <-chan time.Time
	for {
		changed, now := p.View.Changed(), time.Now()
		if m := p.Choose(k.op.want(), k.op.along(), tried, now); m != nil {
			return m, now, nil
		}
		if k.caller.cfg.Wait < 0 {
			return nil, now, k.noInstance()
		}
		if timeout == nil {
			t := time.NewTimer(k.caller.cfg.Wait)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-changed:
		case <-timeout:
			return nil, now, k.noInstance()
		case <-ctx.Done():
			return nil, now, k.noneInTime(k.late(ctx))
		}
	}
}

// ErrNoInstance is what a call satisfies with errors.Is that found no instance to go to.
var ErrNoInstance = errors.New("no instance")

func (k *course[T]) noInstance() error {
	return &Failed{Err: problem.Wrap(ErrNoInstance, problem.Unavailable, "no instance of service %q offers %s: %s; nothing was sent",
		k.op.Service, k.op.Endpoint, k.caller.remedy(&k.op))}
}

// noneInTime is noInstance where the call had to end before its wait was over.
func (k *course[T]) noneInTime(late error) error {
	switch {
	case k.sent.Load(): // there was one, and another is waited for
		return &Failed{
			Failure: resilience.Failure{Sent: true, Timeout: true},
			Err:     fmt.Errorf("%w (while waiting for another instance of service %q)", late, k.op.Service),
		}
	case errors.Is(late, context.Canceled):
		return k.gaveUp(late, "while waiting for an instance of")
	}
	return k.unsent(ErrNoInstance, "no instance of service %q that offers %s came up (%s)", k.op.Service, k.op.Endpoint, k.caller.remedy(&k.op))
}

// remedy says what to do where a service has no instance to go to.
func (c *Caller) remedy(op *Op) string {
	var offered []string
	for _, in := range c.pool(op.Service).View.Instances() {
		for name := range in.Endpoints {
			if !slices.Contains(offered, name) {
				offered = append(offered, name)
			}
		}
	}
	if slices.Sort(offered); len(offered) > 0 && !slices.Contains(offered, op.Endpoint) {
		return "its instances offer " + strings.Join(offered, " and ")
	}
	if names, ok := c.cfg.Resolver.(discovery.Nearer); ok {
		if near := names.Near(op.Service); len(near) > 0 {
			return fmt.Sprintf("nobody has registered that name; did you mean \"%s\"?", strings.Join(near, `" or "`))
		}
	}
	return "start it, or check its name and its readiness"
}
