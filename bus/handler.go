package bus

import (
	"context"
	"math/rand/v2"
	"time"
)

// Handler handles one message. When it returns nil the message is settled; otherwise
// it comes again, unless the error is [Final]. It may be called more than once for one
// message, also after it returned nil: see data/inbox. Its context carries the trace
// of the message and, for [FromContext], the message itself; it ends when the message
// may be somebody else's, with [ErrLeaseLost] as its cause.
type Handler func(ctx context.Context, d Delivery) error

// Middleware wraps a Handler.
type Middleware func(Handler) Handler

// Typed returns a Handler that decodes the events of a topic. What cannot be decoded
// is a [Final] error.
func Typed[T any](t Topic[T], fn func(ctx context.Context, d Delivery, event T) error) Handler {
	return func(ctx context.Context, d Delivery) error {
		event, err := t.Decode(d.Msg)
		if err != nil {
			return Final(err)
		}
		return fn(ctx, d, event)
	}
}

// Backoff says how long to wait between the tries of a message and how many there
// are. Zero values mean 100 ms, 30 s and 10.
type Backoff struct {
	First    time.Duration // after the first failure; it doubles with each
	Most     time.Duration // never longer
	Attempts int           // tries, the first included, before a message is dead
}

// After returns how long to wait when so many tries, at least 1, have failed: between
// half of it and all of it by chance, so that what failed together does not try
// together.
func (b Backoff) After(failures int) time.Duration {
	b = b.orDefault()
	wait := b.First
	for i := 1; i < failures && wait < b.Most; i++ {
		wait *= 2
	}
	wait = min(wait, b.Most)
	return wait/2 + rand.N(wait/2+1)
}

func (b Backoff) orDefault() Backoff {
	if b.First <= 0 {
		b.First = 100 * time.Millisecond
	}
	if b.Most <= 0 {
		b.Most = 30 * time.Second
	}
	b.Most = max(b.Most, b.First)
	if b.Attempts <= 0 {
		b.Attempts = 10
	}
	return b
}
