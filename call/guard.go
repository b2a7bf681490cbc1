package call

import (
	"context"
	"time"
)

// watch sets the guard, the one timer of a call, to what comes next; the lock is held.
func (k *course[T]) watch(now time.Time) {
	next := k.limit
	if at := k.lap.at; !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	switch {
	case k.over || next.IsZero():
	case k.guard == nil:
		k.guard = k.caller.alarms.Set(k, next.Sub(now))
	default:
		k.guard.Set(next.Sub(now))
	}
}

// unwatched ends the guard. One that rings just then finds nothing to do.
func (k *course[T]) unwatched() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	if k.guard != nil {
		k.caller.alarms.Stop(k.guard)
		k.guard = nil
	}
}

// Ring does what is due. It may ring too early.
func (k *course[T]) Ring() {
	now := time.Now()
	k.mu.Lock()
	l := k.lap
	switch {
	case k.over:
		k.mu.Unlock()
		return
	case !k.limit.IsZero() && !now.Before(k.limit):
		k.expired.Store(true)
		l.leave()
		if l.second != nil {
			l.second()
		}
		k.mu.Unlock()
		return
	}
	second := l.starts(now)
	k.watch(now)
	k.mu.Unlock()
	if second != nil {
		l.beside(second)
	}
}

// limited is a context of which the peer is told the call's own deadline.
type limited struct {
	context.Context //nolint:containedctx // it is a context itself, and this its parent

	until time.Time
	of    interface {
		late(ctx context.Context) error
	}
}

func (l *limited) Deadline() (time.Time, bool) { return l.until, true }

func (l *limited) Err() error { return l.of.late(l.Context) }
