// Package nethttp is the edge's engine on net/http: HTTP/1.1 and HTTP/2, the latter without
// TLS by prior knowledge (h2c), and on connections of TLS by ALPN. It holds what concerns a
// client's connection and nothing else: its bounds against slow or silent clients, and its end.
package nethttp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/platform/gateway/pace"
)

// Config says what an engine serves and how patient it is. Only Handler is needed.
type Config struct {
	Handler http.Handler
	Log     *slog.Logger // panics of Handler, at DEBUG what net/http has to say of connections; nil: nothing is logged

	// HeaderTimeout bounds the time from a request's first byte to the end of its
	// header (slowloris). 0 means 10 s.
	HeaderTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request. 0 means 75 s.
	IdleTimeout time.Duration
	// StallTimeout is how long a client may send nothing of a body it began, or
	// take nothing of an answer. A stream may be silent for ever: it is bounded only
	// while the edge waits for this client. gRPC bodies are not bounded. 0 means 60 s.
	StallTimeout time.Duration
	// Least is how slow a client may be with its body, until its answer begins: who is
	// slower counts as stalled. Only time in which the edge waits for the client counts, and in
	// HTTP/2 only while no other body of its connection lies here: those may fill the
	// connection's window. gRPC bodies are not bounded.
	Least pace.Least
	// LingerTimeout bounds reading the rest of a body after the answer, before the
	// connection is used again or closed. 0 means 5 s.
	LingerTimeout time.Duration
	// MaxHeaderBytes bounds a request's header; more is answered 431. 0 means 64 KiB.
	MaxHeaderBytes int
	// MaxStreams bounds the concurrent streams of one HTTP/2 connection. 0 means 250.
	MaxStreams int
}

func (c Config) withDefaults() Config {
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, time.Minute)
	c.LingerTimeout = cmp.Or(c.LingerTimeout, 5*time.Second)
	c.MaxHeaderBytes = cmp.Or(c.MaxHeaderBytes, 64<<10)
	c.MaxStreams = cmp.Or(c.MaxStreams, 250)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Engine serves HTTP on listeners. It is safe for concurrent use.
type Engine struct {
	cfg    Config
	server *http.Server
	cut    context.CancelFunc // ends the requests that are left, upgraded ones too

	requests counter
	leaving  atomic.Bool
	taken    *taken
}

// New returns an engine that serves nothing yet.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg.withDefaults(), taken: newTaken()}
	base, cut := context.WithCancel(context.Background())
	e.cut = cut
	e.server = &http.Server{
		Handler:           http.HandlerFunc(e.serve),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       known,
		ErrorLog:          slog.NewLogLogger(e.cfg.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: e.cfg.HeaderTimeout,
		IdleTimeout:       e.cfg.IdleTimeout,
		MaxHeaderBytes:    e.cfg.MaxHeaderBytes,
		Protocols:         &http.Protocols{},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: e.cfg.MaxStreams,
			SendPingTimeout:      30 * time.Second, // a client that is gone without a word
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     e.cfg.StallTimeout,
		},
	}
	e.server.Protocols.SetHTTP1(true)
	e.server.Protocols.SetUnencryptedHTTP2(true)
	e.server.Protocols.SetHTTP2(true)
	return e
}

// Serve accepts connections until Shutdown, which makes it return nil, or until the
// listener fails. It closes the listener.
func (e *Engine) Serve(l net.Listener) error {
	if err := e.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Leave makes the next answer of each connection its last, so that clients go elsewhere by
// themselves: another process has the address by then. Shutdown follows; it closes the
// connections that are silent, in whose way a request may just be.
func (e *Engine) Leave() { e.leaving.Store(true) }

// Shutdown accepts no more connections and waits for the requests in flight, the
// streams and upgraded connections among them. When ctx ends it cuts off those that
// are left and returns ctx's error. Call it once.
func (e *Engine) Shutdown(ctx context.Context) error {
	_ = e.taken.Close() // also where nothing was taken
	err := e.server.Shutdown(ctx)
	ended := e.requests.none()
	if err == nil {
		select {
		case <-ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	e.cut()
	if err != nil {
		_ = e.server.Close() // what is left has had its time
		select {
		case <-ended:
		case <-time.After(time.Second): // a handler that hears of nothing
		}
	}
	return err
}

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	e.requests.add(1)
	defer e.requests.add(-1)
	p := &patience{leaving: &e.leaving, control: http.NewResponseController(w), stall: e.cfg.StallTimeout, linger: e.cfg.LingerTimeout}
	defer p.end()
	r = secured(r)
	if r.Body != nil && r.Body != http.NoBody {
		from := r.Body
		if r.ProtoMajor == 2 {
			b := share(r)
			defer b.leave()
			from = b
		}
		r = r.WithContext(r.Context()) // a copy: net/http looks at the Body of its own
		if r.Body = from; !isGRPC(r) {
			p.body = from
			p.sender.Begin(e.cfg.Least, 0)
			r.Body = (*body)(p)
		}
	}
	if !isGRPC(r) {
		out := &writer{ResponseWriter: w, patience: p, old: r.ProtoMajor == 1}
		defer out.end()
		w = out
	}
	defer e.complain(r)
	e.cfg.Handler.ServeHTTP(w, r)
}

// complain makes a panic of the handler an error in the log. net/http, which would note
// it among what goes wrong with connections, still ends the connection or the stream.
func (e *Engine) complain(r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v != http.ErrAbortHandler { //nolint:errorlint,err113 // the value that net/http compares with
		e.cfg.Log.ErrorContext(r.Context(), "a request made its handler panic", "panic", fmt.Sprint(v),
			"method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler) //nolint:forbidigo // documented, and the only way for HTTP/2
}

// isGRPC reports whether a body is a gRPC stream, which may be silent.
func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// counter counts the requests, also those that were upgraded, which net/http forgets.
type counter struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when n is 0; nil while nobody waits
}

func (c *counter) add(d int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += d
	if c.n == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// none returns a channel that is closed once there is no request. Call it once.
func (c *counter) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	empty := make(chan struct{})
	if c.n == 0 {
		close(empty)
	} else {
		c.empty = empty
	}
	return empty
}
