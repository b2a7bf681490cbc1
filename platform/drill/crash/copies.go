package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/platform/drill/live"
)

// Copies are events that were published a second time, the same in everything that a
// consumer reads: topic, key, source and id.
type Copies struct {
	Made   int // stored by the broker
	Behind int // of these: stored after newer events, so that they came late
}

const (
	oneIn     = 4                     // events are copied
	copyLate  = 4 * time.Second       // after the event, at most
	storeIn   = 10 * time.Second      // how long a broker that is away is waited for with a copy
	copied    = "Muster-Drill-Copy"   // marks a copy, so that it is not copied in turn
	ofServer  = "Nats-"               // begins the headers that are the server's own
	streams   = "muster-"             // begins the names of the bus's streams; see drivers/nats
	askAgain  = 20 * time.Millisecond // whether the broker is back
	firstLook = 10 * time.Second      // for the streams
)

// copy has events delivered again until breaks ends. A broker knows a message again by an
// id of its own, for two minutes, and does not store it twice; the copies have none, so
// that it stores them as new. Only what it has stored is copied: nothing comes before its time.
func (b *breaking) copy(breaks, whole context.Context) error {
	conn, err := natsgo.Connect(b.Broker, natsgo.Name("drill"), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(100*time.Millisecond), natsgo.RetryOnFailedConnect(true),
		natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {})) // its own would print: that the broker dies is meant
	if err != nil {
		return fmt.Errorf("crash: copies: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("crash: copies: %w", err)
	}
	c := &copier{js: js, random: b.random("copies"), now: breaks.Done(), whole: whole}
	names, err := c.streams(breaks)
	if err != nil {
		return fmt.Errorf("crash: copies: %w", err)
	}
	for _, name := range names {
		consumer, err := js.OrderedConsumer(breaks, name, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy, MaxResetAttempts: -1})
		if err != nil {
			return fmt.Errorf("crash: copies of %s: %w", name, err)
		}
		reading, err := consumer.Consume(c.see)
		if err != nil {
			return fmt.Errorf("crash: copies of %s: %w", name, err)
		}
		defer reading.Stop()
	}
	<-breaks.Done()
	c.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.result.Copies = c.made
	return nil
}

// copier copies what it sees.
type copier struct {
	js    jetstream.JetStream
	now   <-chan struct{} // closed: what is held back is to go out
	whole context.Context //nolint:containedctx // of the drill

	mu     sync.Mutex
	random *rand.Rand
	closed bool
	made   Copies
	out    sync.WaitGroup
}

// streams returns the names of the bus's streams, once there are some.
func (c *copier) streams(ctx context.Context) (names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	for {
		names = nil
		list := c.js.StreamNames(ctx)
		for name := range list.Name() {
			if strings.HasPrefix(name, streams) {
				names = append(names, name)
			}
		}
		if len(names) > 0 || ctx.Err() != nil {
			return names, ctx.Err()
		}
		if err := live.Pause(ctx, askAgain); err != nil {
			return nil, fmt.Errorf("the broker has no streams of a bus: %w", err)
		}
	}
}

// see takes an event, and has some of them published again.
func (c *copier) see(m jetstream.Msg) {
	if m.Headers().Get(copied) != "" {
		return
	}
	at, err := m.Metadata()
	if err != nil {
		return // it is none of a stream
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.random.IntN(oneIn) > 0 {
		return
	}
	late := time.Duration(c.random.Int64N(int64(copyLate)))
	again := &natsgo.Msg{Subject: m.Subject(), Header: natsgo.Header{copied: {"1"}}, Data: m.Data()}
	for name, values := range m.Headers() {
		if !strings.HasPrefix(name, ofServer) {
			again.Header[name] = values
		}
	}
	c.out.Go(func() { c.publish(again, at.Sequence.Stream, late) })
}

// publish stores a copy after a while, for as long as it takes a broker to come back.
func (c *copier) publish(m *natsgo.Msg, seq uint64, late time.Duration) {
	timer := time.NewTimer(late)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.now:
	}
	ctx, cancel := context.WithTimeout(c.whole, storeIn)
	defer cancel()
	for {
		ack, err := c.js.PublishMsg(ctx, m)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.made.Made++
			if ack.Sequence > seq+1 {
				c.made.Behind++
			}
			return
		}
		if live.Pause(ctx, askAgain) != nil {
			return
		}
	}
}

// close waits until all copies are out.
func (c *copier) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.out.Wait()
}
