package rabbitmq

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/problem"
)

// lease is how long a delivery goes without a sign.
const lease = 4 * time.Second

// The bounds of talking to a server.
const (
	dialWait   = 5 * time.Second  // for a connection, the handshake included
	writeWait  = 10 * time.Second // for a write: a server that is out of memory or disk stops reading
	heartbeat  = 3 * time.Second  // without two the server gives the connection up
	answerWait = 5 * time.Second
)

// broker is a connection, made again when it is lost, with all its subscribers.
type broker struct {
	target
	client  string
	through dialer
	log     *slog.Logger

	mu      sync.Mutex
	link    *link         // nil while there is none
	changed chan struct{} // closed when link or closed changes
	members map[*subscriber]struct{}
	closed  bool
	why     error         // why the last try to connect failed
	ending  chan struct{} // closed by Close
	ended   chan struct{} // closed when nothing runs any more
}

var _ bus.Broker = (*broker)(nil)

func connect(t target, client string, log *slog.Logger, through dialer) *broker {
	b := &broker{
		target: t, client: client, through: through, log: log.With("broker", t.shown),
		changed: make(chan struct{}), members: map[*subscriber]struct{}{}, ending: make(chan struct{}), ended: make(chan struct{}),
	}
	go b.run()
	return b
}

// run keeps a connection until the broker is closed.
func (b *broker) run() {
	defer close(b.ended)
	silent := time.NewTimer(away.Soon)
	defer silent.Stop()
	for failures := 0; ; failures++ {
		l, err := b.dial(b.servers[failures%len(b.servers)])
		if err == nil {
			b.set(l, nil)
			b.log.Info(away.Connected)
			err = l.watch(b.ending)
			failures = -1
			silent.Reset(away.Soon)
			if err != nil {
				b.log.Warn(away.Lost, "error", err)
			}
		}
		b.set(nil, err)
		t := time.NewTimer(away.Pause(max(failures, 0)))
		select {
		case <-b.ending:
			t.Stop()
			return
		case <-silent.C:
			b.log.Warn(away.Said, "error", err)
			silent.Reset(away.Again)
		case <-t.C:
		}
		t.Stop()
	}
}

func (b *broker) set(l *link, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.link, b.why = l, why
	close(b.changed)
	b.changed = make(chan struct{})
}

// online waits for a connection.
func (b *broker) online(ctx context.Context) (*link, error) {
	for {
		b.mu.Lock()
		l, changed, closed := b.link, b.changed, b.closed
		b.mu.Unlock()
		switch {
		case closed:
			return nil, bus.ErrClosed
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case l != nil:
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// insist tries what until it succeeds, fails for a reason that will not pass, or ctx
// ends. Each try has a context of its own, which ends with the connection.
func (b *broker) insist(ctx context.Context, what func(ctx context.Context, l *link) error) error {
	var last error
	for failures := 0; ; failures++ {
		l, err := b.online(ctx)
		if errors.Is(err, bus.ErrClosed) {
			return err
		}
		if err == nil {
			err = l.try(ctx, what)
			if err == nil || ctx.Err() == nil && !passes(err) {
				return b.closing(err)
			}
			if ctx.Err() == nil {
				last = err
			}
		}
		if away.Rest(ctx, away.Pause(failures)) != nil {
			return &away.GaveUpError{Driver: "rabbitmq", Broker: b.shown, Ended: ctx.Err(), Last: last}
		}
	}
}

// try does something with a bound, and until the connection is lost.
func (l *link) try(ctx context.Context, what func(ctx context.Context, l *link) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*answerWait)
	defer cancel()
	go func() {
		select {
		case <-l.down:
			cancel()
		case <-ctx.Done():
		}
	}()
	return what(ctx, l)
}

// closing returns bus.ErrClosed for an error that comes of the broker's being closed.
func (b *broker) closing(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && b.closed {
		return bus.ErrClosed
	}
	return err
}

// Away returns nil while there is a connection, else problem.Unavailable, which names
// the broker's address, with the reason as far as it is known. It does not wait.
func (b *broker) Away() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return bus.ErrClosed
	case b.link != nil:
		return nil
	}
	why := b.why
	if why == nil {
		why = errAway
	}
	return problem.Wrap(why, problem.Unavailable, "the RabbitMQ server at %s is away", b.shown).WithRetryAfter(away.LongPause)
}

// Caps says what the driver does with RabbitMQ.
func (b *broker) Caps() bus.Caps {
	return bus.Caps{Order: true, Count: true, Delay: true, MaxData: bus.MaxData, Lease: lease}
}

// Close ends the connection. Calls under way fail.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.changed)
	b.changed = make(chan struct{})
	var leaving sync.WaitGroup
	for s := range b.members {
		leaving.Go(func() { _ = s.Close() }) // has no error
	}
	b.mu.Unlock()
	leaving.Wait()
	close(b.ending)
	<-b.ended
	return nil
}
