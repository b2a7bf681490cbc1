package nats

import (
	"errors"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/problem"
)

// Away returns nil while there is a connection, else problem.Unavailable, which names
// the broker's address, with the reason as far as it is known. It does not wait.
func (b *broker) Away() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return bus.ErrClosed
	}
	select {
	case <-b.up:
		return nil
	default:
	}
	return problem.Wrap(b.why, problem.Unavailable, "the NATS server at %s is away", b.shown).WithRetryAfter(away.LongPause)
}

// refused notes why a try to connect failed.
func (b *broker) refused(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && !errors.Is(err, natsgo.ErrServerNotInPool) {
		b.why = err
	}
}

// remind says in the log that the broker is away: after soon, and every again from
// then on, also when there never was a connection. It returns when the broker is closed.
func (b *broker) remind(soon, again time.Duration) {
	t := time.NewTimer(soon)
	defer t.Stop()
	for {
		b.mu.Lock()
		up, down := b.up, b.down
		b.mu.Unlock()
		select {
		case <-up:
			select {
			case <-down:
			case <-b.ended:
				return
			}
			t.Reset(soon)
			continue
		default:
		}
		select {
		case <-up:
		case <-down:
		case <-b.ended:
			return
		case <-t.C:
			b.mu.Lock()
			why := b.why
			b.mu.Unlock()
			b.log.Warn(away.Said, "error", why)
			t.Reset(again)
		}
	}
}
