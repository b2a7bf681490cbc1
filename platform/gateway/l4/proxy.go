package l4

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/balance"
)

// Proxy passes connections to services. It is safe for concurrent use.
type Proxy struct {
	cfg     Config
	caller  *call.Caller
	shared  bool // the caller is another's
	routes  atomic.Pointer[Routes]
	buffers sync.Pool
	counts  counts
	ctx     context.Context //nolint:containedctx // the proxy's own life, which Shutdown ends
	cut     context.CancelFunc

	mu        sync.Mutex
	listeners map[net.Listener]bool
	open      map[net.Conn]bool // of clients
	pipes     map[*pipe]bool    // of the connections that have an instance
	hurried   bool              // they may be silent for Config.EndIdle only
	ending    bool
	none      chan struct{} // closed when the last connection has ended after ending was set
}

// New returns a Proxy. Its one error is that of Routes.Validate.
func New(cfg Config) (*Proxy, error) {
	cfg = cfg.withDefaults()
	p := newProxy(cfg, newCaller(cfg))
	return p, p.SetRoutes(cfg.Routes)
}

// newCaller returns what chooses instances: how fast one accepts says nothing of how busy
// its connections are. One that is new gets its part at once: connections stay where they
// went first, so that a slow start would leave it with few for as long as they last.
func newCaller(cfg Config) *call.Caller {
	even := balance.Config{Policy: balance.LeastLoaded, SlowStart: -1}
	return call.New(call.Config{Resolver: cfg.Resolver, Wait: cfg.Wait, Balance: even, Log: cfg.Log})
}

// newProxy returns a Proxy without routes; cfg has its defaults.
func newProxy(cfg Config, caller *call.Caller) *Proxy {
	p := &Proxy{cfg: cfg, caller: caller, listeners: map[net.Listener]bool{}, open: map[net.Conn]bool{}, pipes: map[*pipe]bool{}, none: make(chan struct{})}
	p.ctx, p.cut = context.WithCancel(context.Background())
	p.buffers.New = func() any { return new([flowing]byte) }
	return p
}

// SetRoutes takes other routes into use for connections that come from now on. Its error
// is that of Routes.Validate; those of before then stay.
func (p *Proxy) SetRoutes(r Routes) error {
	if err := r.Validate(); err != nil {
		return err
	}
	p.routes.Store(&r)
	for _, service := range r.services() {
		p.cfg.Resolver.View(service) // is followed before the first connection
	}
	return nil
}

// InFlight returns how many connections are open to the instance with this id.
func (p *Proxy) InFlight(id string) int64 { return p.caller.InFlight(id) }

// Serve accepts connections until Shutdown, which makes it return nil, or until the
// listener fails. It closes the listener.
func (p *Proxy) Serve(l net.Listener) error {
	defer l.Close()
	p.mu.Lock()
	ending := p.ending
	p.listeners[l] = true
	p.mu.Unlock()
	if ending {
		return nil
	}
	defer func() {
		p.mu.Lock()
		delete(p.listeners, l)
		p.mu.Unlock()
	}()
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			p.accept(conn)
			continue
		}
		if p.ctx.Err() != nil || p.isEnding() {
			return nil
		}
		if !passing(err) {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		p.cfg.Log.Warn("no connection can be accepted for the moment", "listener", l.Addr().String(), "error", err)
		select {
		case <-time.After(pause):
		case <-p.ctx.Done():
		}
	}
}

// passing reports whether an error of Accept will pass: there are too many files open, or
// the client has gone already.
func passing(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Temporary() //nolint:staticcheck // deprecated where it says nothing; of Accept it does, as net/http holds
}

func (p *Proxy) isEnding() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ending
}

// accept takes a connection on, if there is room.
func (p *Proxy) accept(conn net.Conn) {
	p.counts.accepted.Add(1)
	p.mu.Lock()
	full := p.ending || len(p.open) >= p.cfg.Max
	if !full {
		p.open[conn] = true
	}
	p.mu.Unlock()
	if full {
		p.counts.end(Full)
		reset(conn)
		return
	}
	go func() {
		end := p.serve(conn)
		p.counts.end(end) // before Shutdown hears of it
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, conn)
		if p.ending && len(p.open) == 0 {
			close(p.none)
		}
	}()
}

// serve is one connection from its begin to its end. When it returns conn is closed.
func (p *Proxy) serve(conn net.Conn) End {
	routes := p.routes.Load()
	var began hello
	if len(routes.Names) > 0 {
		var err error
		_ = conn.SetDeadline(time.Now().Add(p.cfg.Hello)) // one that is gone fails to be read
		if began, err = readHello(conn); err != nil {
			reset(conn)
			return p.was(BadHello)
		}
		_ = conn.SetDeadline(time.Time{}) // as above
	}
	target, ok := routes.find(began.name)
	if !ok {
		refuse(conn, began)
		return p.was(NoRoute)
	}
	instance, ticket, err := p.connect(target)
	if err != nil {
		p.cfg.Log.Warn("a connection reached no instance", "service", target.Service, "endpoint", target.Endpoint, "error", err)
		reset(conn)
		return p.was(NoInstance)
	}
	defer ticket.Done()
	idle := cmp.Or(time.Duration(routes.IdleSeconds)*time.Second, p.cfg.Idle)
	return p.pass(conn, instance, began.read, idle)
}

// pass passes bytes between the two sides until both have ended.
func (p *Proxy) pass(conn, instance net.Conn, first []byte, idle time.Duration) End {
	stop := context.AfterFunc(p.ctx, func() { reset(conn); reset(instance) })
	defer stop()
	both := &pipe{client: conn, instance: instance, buffers: &p.buffers, in: &p.counts.in, out: &p.counts.out}
	defer p.follow(both, idle)()
	if both.begin() != nil {
		reset(conn)
		reset(instance)
		return p.was(Broken)
	}
	switch err := both.run(first); {
	case err == nil:
		return Ended
	case errors.Is(err, errIdle):
		return p.wasSilent()
	}
	return p.was(Broken)
}

// connect reaches an instance. The ticket is open until the connection ends.
func (p *Proxy) connect(to Target) (conn net.Conn, ticket *call.Ticket, err error) {
	op := call.Op{Service: to.Service, Name: "TCP", Endpoint: to.Endpoint, Idempotent: true}
	err = p.caller.Do(p.ctx, op, func(ctx context.Context, t *call.Ticket) error {
		ctx, cancel := context.WithTimeout(ctx, p.cfg.Connect)
		defer cancel()
		c, err := p.cfg.Dial(ctx, t.Addr)
		if err != nil {
			return &call.Failed{Err: fmt.Errorf("%s at %s cannot be reached: %w", t.Instance.ID, t.Addr, err)} // nothing was sent
		}
		conn, ticket = c, t
		return nil
	})
	return conn, ticket, err
}

// refuse ends a connection that has no route: a TLS client is told why.
func refuse(conn net.Conn, began hello) {
	if !began.tls {
		reset(conn)
		return
	}
	const patience = time.Second
	_ = conn.SetDeadline(time.Now().Add(patience)) // one that is gone fails all that follows
	_, err := conn.Write(unrecognizedName())
	if err == nil && closeWrite(conn) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, maxHello)) // what is not read would reset the alert away
	}
	_ = conn.Close() // it has been told
}
