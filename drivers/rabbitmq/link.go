package rabbitmq

import (
	"context"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// link is one connection. It is not made again.
type link struct {
	conn *amqp.Connection
	down chan struct{} // closed when it is lost

	declaring sync.Mutex // held while queues are made

	mu       sync.Mutex
	declared map[string]bool // first segments whose streams are there
	idle     []*publisher
	room     chan struct{} // of the publishers that may be in use
	stopped  chan struct{} // closed while the server takes messages; another when it does not
}

func (b *broker) dial(url string) (*link, error) {
	dialed := make(chan struct{})
	defer close(dialed)
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat: heartbeat, Locale: "en_US",
		Properties: amqp.Table{"connection_name": b.client, "product": "Muster", "capabilities": amqp.Table{
			"consumer_cancel_notify": true, "connection.blocked": true, "publisher_confirms": true, "basic.nack": true,
		}},
		Dial: func(network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), dialWait)
			defer cancel()
			c, err := b.through(ctx, network, address)
			if err != nil {
				return nil, err
			}
			go func() { // Close does not wait for a server that says nothing
				select {
				case <-b.ending:
					_ = c.Close() // the handshake fails
				case <-dialed:
				}
			}()
			// The library ends this deadline when the handshake is over.
			return impatient{c}, c.SetDeadline(time.Now().Add(dialWait))
		},
	})
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn, down: make(chan struct{}), declared: map[string]bool{}, room: make(chan struct{}, publishers), stopped: make(chan struct{})}
	close(l.stopped)
	return l, nil
}

// impatient is a connection whose writes end.
type impatient struct{ net.Conn }

// Write writes with a deadline of its own.
func (c impatient) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// watch returns when the connection is lost, with the reason, or ending is closed.
func (l *link) watch(ending <-chan struct{}) error {
	closed := l.conn.NotifyClose(make(chan *amqp.Error, 1))
	blocked := l.conn.NotifyBlocked(make(chan amqp.Blocking, 4))
	defer close(l.down)
	for {
		select {
		case why, ok := <-closed:
			if ok && why != nil {
				return why
			}
			return errAway
		case s, ok := <-blocked:
			if !ok {
				blocked = nil
				continue
			}
			l.block(s.Active)
		case <-ending:
			_ = l.conn.CloseDeadline(time.Now().Add(time.Second)) // it is given up in any case
			return nil
		}
	}
}

// block notes that the server takes no messages for now, or that it does again. It may
// say either more than once.
func (l *link) block(now bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stopped:
		if now {
			l.stopped = make(chan struct{})
		}
	default:
		if !now {
			close(l.stopped)
		}
	}
}
