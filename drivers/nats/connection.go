package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/drivers/nats/internal/marks"
)

// lease is how long a delivery goes without a sign: the consumers' ack_wait.
const lease = 4 * time.Second

// The bounds of talking to a server.
const (
	dialWait   = 2 * time.Second
	answerWait = 5 * time.Second // for one answer; then the question is put again
	pingEvery  = 5 * time.Second // two unanswered: the connection is given up
	farewell   = time.Second     // for what is sent at the end
)

// broker is a connection, with all its subscribers.
type broker struct {
	target

	conn  *natsgo.Conn
	js    jetstream.JetStream
	log   *slog.Logger
	asks  asks
	marks marks.Marks

	mu      sync.Mutex
	up      chan struct{}    // closed while there is a connection
	down    chan struct{}    // closed when the present one is lost
	streams map[string]known // that are there, by owner
	queues  map[string]*queue
	members map[*subscriber]struct{}
	closed  bool
	ended   chan struct{} // closed with closed
	why     error         // why the last try to connect failed
}

var (
	_ bus.Broker = (*broker)(nil)
	_ bus.Admin  = (*broker)(nil)
)

func connect(t target, client string, log *slog.Logger, dial dialer) (*broker, error) {
	b := &broker{
		target: t, log: log.With("broker", t.shown),
		up: make(chan struct{}), down: make(chan struct{}), ended: make(chan struct{}),
		streams: map[string]known{}, queues: map[string]*queue{}, members: map[*subscriber]struct{}{},
	}
	through := natsgo.Option(func(*natsgo.Options) error { return nil })
	if dial != nil {
		through = natsgo.SetCustomDialer(dial)
	}
	conn, err := natsgo.Connect(t.servers,
		natsgo.Name(client), through,
		natsgo.RetryOnFailedConnect(true), natsgo.MaxReconnects(-1), natsgo.IgnoreAuthErrorAbort(),
		natsgo.CustomReconnectDelay(func(tries int) time.Duration { return away.Pause(tries - 1) }),
		natsgo.ReconnectBufSize(-1), // what was not sent is sent again by who asked for it, or not at all
		natsgo.Timeout(dialWait), natsgo.PingInterval(pingEvery), natsgo.MaxPingsOutstanding(2),
		natsgo.NoCallbacksAfterClientClose(),
		natsgo.ConnectHandler(func(*natsgo.Conn) { b.connected() }),
		natsgo.ReconnectHandler(func(*natsgo.Conn) { b.connected() }),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) { b.lost(err) }),
		natsgo.ReconnectErrHandler(func(_ *natsgo.Conn, err error) { b.refused(err) }),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			b.log.Warn("the connection to the broker has trouble", "error", err)
		}))
	if err != nil {
		return nil, fmt.Errorf("nats: connect to %s: %w", t.shown, err)
	}
	b.conn = conn
	if b.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(answerWait)); err == nil {
		err = b.asks.listen(conn)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("nats: set up the connection to %s: %w", t.shown, err)
	}
	go b.remind(away.Soon, away.Again)
	return b, nil
}

func (b *broker) connected() {
	b.mu.Lock()
	select {
	case <-b.up:
	default:
		close(b.up)
	}
	members := make([]*subscriber, 0, len(b.members))
	for s := range b.members {
		members = append(members, s)
	}
	b.mu.Unlock()
	b.log.Info(away.Connected)
	for _, s := range members {
		s.reconnected()
	}
}

func (b *broker) lost(err error) {
	b.mu.Lock()
	b.up = make(chan struct{})
	close(b.down)
	b.down = make(chan struct{})
	clear(b.streams) // it may come back with an empty store
	if err != nil {
		b.why = err
	}
	b.mu.Unlock()
	if err != nil {
		b.log.Warn(away.Lost, "error", err)
	}
}

// online waits for a connection and returns a channel that is closed when it is lost.
func (b *broker) online(ctx context.Context) (<-chan struct{}, error) {
	for {
		b.mu.Lock()
		up, down, closed := b.up, b.down, b.closed
		b.mu.Unlock()
		if closed {
			return nil, bus.ErrClosed
		}
		select {
		case <-up:
			return down, nil
		default:
		}
		select {
		case <-up:
		case <-down:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// insist tries what until it succeeds, fails for a reason that will not pass, or ctx
// ends. Each try has a context of its own, which ends with the connection.
func (b *broker) insist(ctx context.Context, what func(ctx context.Context) error) error {
	var last error
	for failures := 0; ; failures++ {
		down, err := b.online(ctx)
		if err == nil {
			try, cancel := context.WithTimeout(ctx, 2*answerWait)
			go func() {
				select {
				case <-down:
					cancel()
				case <-try.Done():
				}
			}()
			err = what(try)
			cut := try.Err() != nil
			cancel()
			if err == nil || ctx.Err() == nil && !cut && !passes(err) {
				return b.closing(err)
			}
			if ctx.Err() == nil {
				last = err
			}
		} else if errors.Is(err, bus.ErrClosed) {
			return err
		}
		if away.Rest(ctx, away.Pause(failures)) != nil {
			return b.gaveUp(ctx.Err(), last)
		}
	}
}

// closing returns bus.ErrClosed for an error that comes of the connection's being closed
// here.
func (b *broker) closing(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && b.closed || errors.Is(err, natsgo.ErrConnectionClosed) {
		return bus.ErrClosed
	}
	return err
}

// Caps says what JetStream does by itself. What was terminated is in the stream for
// as long as all else, but nothing tells it apart, so Dead is not claimed.
func (b *broker) Caps() bus.Caps {
	return bus.Caps{Order: true, Dedup: true, Count: true, Delay: true, Batch: true, MaxData: bus.MaxData, Lease: lease}
}

// Close ends the connection. Calls under way fail.
func (b *broker) Close() error {
	b.mu.Lock()
	members := make([]*subscriber, 0, len(b.members))
	for s := range b.members {
		members = append(members, s)
	}
	b.mu.Unlock()
	var leaving sync.WaitGroup
	for _, s := range members {
		leaving.Go(func() { _ = s.Close() }) // has no error
	}
	leaving.Wait()
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	if first {
		close(b.ended)
	}
	b.mu.Unlock()
	if first {
		if b.conn.IsConnected() {
			_ = b.conn.FlushTimeout(farewell) // what was not sent in time comes again after a lease
		}
		b.conn.Close()
		b.lost(nil) // ends who waits: the client library calls back no more
	}
	return nil
}
