package http1

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/pace"
)

// Session serves requests, one at a time. It is used again for requests of other
// connections: it keeps nothing of one beyond Serve, as its texts are parts of buffers.
type Session interface {
	// Serve answers t, or hands it over. It is called on the goroutine of the client's connection.
	Serve(t *Turn)
	// Refuse answers what could not be read as a request; t has what was understood.
	Refuse(t *Turn, f *grammar.Fault)
}

// Other is an engine that takes connections over.
type Other interface {
	// Take serves a connection from here on, and closes it. It does not wait. The bytes that
	// were read are read from it again.
	Take(conn net.Conn)
}

// Config says what an engine serves and how patient it is. Session and Other are needed.
type Config struct {
	Session func() Session // makes one; as many are made as requests are under way
	Other   Other
	Log     *slog.Logger // panics of a Session; nil: nothing is logged

	// HeaderTimeout bounds the time from a request's first byte to the end of its head, and
	// the handshake of TLS (slowloris). 0 means 10 s.
	HeaderTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request. 0 means 75 s.
	IdleTimeout time.Duration
	// StallTimeout is how long a client may send nothing of a body it began, or take
	// nothing of an answer. A stream may be silent for ever: it is bounded only while the
	// edge waits for this client. 0 means 60 s.
	StallTimeout time.Duration
	// Least is how slow a client may be with its body, until its answer begins: who is
	// slower counts as stalled. Only time in which the edge waits for the client counts.
	Least pace.Least
	// LingerTimeout bounds reading what a client still sends after the last answer of its
	// connection, which it would not get if its bytes were refused. 0 means 5 s.
	LingerTimeout time.Duration
	// Bounds are those of heads.
	Bounds grammar.Bounds
}

func (c Config) withDefaults() Config {
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, time.Minute)
	c.LingerTimeout = cmp.Or(c.LingerTimeout, 5*time.Second)
	c.Bounds.MaxHead = cmp.Or(c.Bounds.MaxHead, 64<<10)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// usual is the time between two sweeps while there is something under way, slack that while
// there is nothing. Who sets shorter timeouts gets finer ones.
const (
	usual = 20 * time.Millisecond
	slack = 250 * time.Millisecond
)

func (c Config) tick() time.Duration {
	least := min(c.HeaderTimeout, c.IdleTimeout, c.StallTimeout, c.LingerTimeout, cmp.Or(c.Least.From, pace.DefaultFrom))
	return max(time.Millisecond, min(usual, least/8))
}

// secure is what http1 asks of a connection with TLS.
type secure interface{ ConnectionState() tls.ConnectionState }

var _ secure = (*tls.Conn)(nil)
