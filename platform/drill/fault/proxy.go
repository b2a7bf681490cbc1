package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// MaxConnections bounds the connections of one proxy; one more is reset. Each takes at
// most a few MiB.
const MaxConnections = 4096

// dialTime bounds a proxy's dial of its target.
const dialTime = 5 * time.Second

// ProxyConfig says where a proxy stands. Only Target is needed.
type ProxyConfig struct {
	Listen string // address to listen at; "" means 127.0.0.1:0
	Target string // host:port that connections are passed on to; it is dialled once for each
	Seed   uint64 // the same seed chooses the same connections and delays, in the order they come
	Probe  Probe  // shows that the way is clean again; nil means ProbeTCP
}

// Proxy passes TCP connections on to a target with the toxics of the moment. It is safe
// for concurrent use. Close ends it.
//
// While nobody listens at the target the proxy refuses dials too, so that callers can tell
// a death from a broken connection as they would without it. Only the connection by which
// it finds out is reset instead.
type Proxy struct {
	target string
	addr   string
	probe  Probe
	free   func()          // gives the port back
	ctx    context.Context //nolint:containedctx // the proxy's own life, which Close ends
	stop   context.CancelFunc
	work   sync.WaitGroup
	state  atomic.Pointer[setting]
	count  counters

	mu       sync.Mutex
	random   *rand.Rand
	listener *net.TCPListener // nil while dials are refused
	away     bool             // nobody listens at the target
	links    map[*link]struct{}
	closed   bool
}

// setting is what holds now, and the news of its end.
type setting struct {
	Toxics
	changed chan struct{}
}

type counters struct {
	accepted, reset, silent, unreached, up, down atomic.Int64
}

// Stats is what passed a proxy since it began.
type Stats struct {
	Accepted  int64 `json:"accepted"`  // connections, those below included
	Open      int64 `json:"open"`      // connections now
	Reset     int64 `json:"reset"`     // connections the proxy reset, on purpose or after loss
	Silent    int64 `json:"silent"`    // connections never answered
	Unreached int64 `json:"unreached"` // connections whose target could not be dialled
	Up        int64 `json:"up"`        // bytes passed to the target
	Down      int64 `json:"down"`      // bytes passed to callers
}

// NewProxy returns a proxy that listens and is clean. The error is an address that
// cannot be listened at.
func NewProxy(cfg ProxyConfig) (*Proxy, error) {
	if _, _, err := net.SplitHostPort(cfg.Target); err != nil {
		return nil, fmt.Errorf("fault proxy: target %q: must be host:port: %w", cfg.Target, err)
	}
	free, addr, err := hold(cmp.Or(cfg.Listen, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("fault proxy before %s: %w", cfg.Target, err)
	}
	p := &Proxy{
		target: cfg.Target, addr: addr, probe: cfg.Probe, free: free,
		random: rand.New(rand.NewPCG(cfg.Seed, cfg.Seed^0x9e3779b97f4a7c15)),
		links:  map[*link]struct{}{},
	}
	if p.probe == nil {
		p.probe = ProbeTCP
	}
	p.state.Store(&setting{changed: make(chan struct{})})
	p.ctx, p.stop = context.WithCancel(context.Background())
	if err := p.listen(); err != nil {
		p.stop()
		free()
		return nil, err
	}
	return p, nil
}

// Addr returns host:port of the proxy; it stays the same while dials are refused.
func (p *Proxy) Addr() string { return p.addr }

// Target returns host:port of what is behind the proxy.
func (p *Proxy) Target() string { return p.target }

// Toxics returns what holds now.
func (p *Proxy) Toxics() Toxics { return p.state.Load().Toxics }

// Stats returns what passed so far.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	open := len(p.links)
	p.mu.Unlock()
	c := &p.count
	return Stats{
		Accepted: c.accepted.Load(), Open: int64(open), Reset: c.reset.Load(), Silent: c.silent.Load(),
		Unreached: c.unreached.Load(), Up: c.up.Load(), Down: c.down.Load(),
	}
}

// Set makes t hold from now on, for connections that exist too: what waits under the
// toxics of before waits as long as those of now say. The error is a toxic out of range,
// a proxy that is closed, or a port lost to somebody else while dials were refused.
func (p *Proxy) Set(t Toxics) error {
	_, err := p.set(t)
	return err
}

// set returns how many connections it reset because bytes of theirs were lost.
func (p *Proxy) set(t Toxics) (reset int, err error) {
	if err := t.Validate(); err != nil {
		return 0, fmt.Errorf("fault proxy %s: %w", p.addr, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, fmt.Errorf("fault proxy %s before %s: it is closed", p.addr, p.target)
	}
	before := p.state.Swap(&setting{Toxics: t, changed: make(chan struct{})})
	close(before.changed)
	for l := range p.links {
		if l.lost.Load() && !t.Blackhole || l.silent && t.Silent == 0 {
			l.reset()
			reset++
		}
	}
	return reset, p.settle()
}

// Close ends the proxy and resets its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.stop()
	err := p.settle()
	for l := range p.links {
		l.reset()
	}
	p.mu.Unlock()
	p.work.Wait()
	p.free()
	return err
}

// settle makes the proxy listen or refuse, as is due; p.mu is held.
func (p *Proxy) settle() error {
	switch refuse := p.closed || p.away || p.state.Load().Refuse; {
	case refuse && p.listener != nil:
		l := p.listener
		p.listener = nil
		return l.Close()
	case !refuse && p.listener == nil:
		return p.listen()
	}
	return nil
}

// listen begins to accept; p.mu is held, or nobody knows p yet.
func (p *Proxy) listen() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("fault proxy before %s: %w", p.target, err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		_ = l.Close() // it never served
		return fmt.Errorf("fault proxy before %s: a TCP listener is a %T", p.target, l)
	}
	p.listener = tcp
	p.work.Go(func() { p.accept(tcp) })
	return nil
}

// accept takes connections until the listener is closed.
func (p *Proxy) accept(from *net.TCPListener) {
	for {
		conn, err := from.AcceptTCP()
		switch {
		case err == nil:
			p.take(conn)
		case errors.Is(err, net.ErrClosed):
			return
		default: // out of descriptors, or a caller that went away: the next may do
			select {
			case <-p.ctx.Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

// take decides what becomes of a new connection.
func (p *Proxy) take(conn *net.TCPConn) {
	p.count.accepted.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.state.Load()
	lot := p.random.Float64()
	if p.closed || lot < t.Reset || len(p.links) >= MaxConnections {
		p.count.reset.Add(1)
		abort(conn)
		return
	}
	l := newLink(p, conn, rand.New(rand.NewPCG(p.random.Uint64(), p.random.Uint64())))
	l.silent = lot < t.Reset+t.Silent
	p.links[l] = struct{}{}
	if l.silent {
		p.count.silent.Add(1)
	}
	p.work.Go(l.run)
}

func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// abort closes a connection by RST, so that its peer sees an error and no end.
func abort(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // a connection that is gone needs no RST
	_ = conn.Close()
}
