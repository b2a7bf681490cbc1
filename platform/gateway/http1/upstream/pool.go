package upstream

import (
	"cmp"
	"context"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

// Config says how a Pool works.
type Config struct {
	// Dial opens connections; nil means TCP, within 2 s.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Idle is how long a connection is kept that nobody uses. 0 means 60 s.
	Idle time.Duration
	// MaxIdle is how many of one instance are kept. 0 means 256.
	MaxIdle int
	// Bounds are those of answers' heads.
	Bounds grammar.Bounds
}

// Pool holds the connections to instances. It is safe for concurrent use. Close ends it.
type Pool struct {
	cfg  Config
	stop chan struct{}
	once sync.Once
	room sync.Pool // of *[size]byte

	mu    sync.Mutex // for growing
	hosts atomic.Pointer[map[string]*host]
}

// host holds the idle connections to one address, the one used last on top.
type host struct {
	mu   sync.Mutex
	idle []*Conn
	used time.Time // when one was last asked for, as far as tidying saw
	asks atomic.Uint64
	seen uint64
}

// size is that of a connection's buffer, in bytes.
const size = 16 << 10

// New returns a Pool without connections.
func New(cfg Config) *Pool {
	if cfg.Dial == nil {
		d := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
		cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	cfg.Idle, cfg.MaxIdle = cmp.Or(cfg.Idle, time.Minute), cmp.Or(cfg.MaxIdle, 256)
	p := &Pool{cfg: cfg, stop: make(chan struct{})}
	p.room.New = func() any { return new([size]byte) }
	p.hosts.Store(&map[string]*host{})
	go p.tidying()
	return p
}

// Close closes the idle connections; those in use are closed when they are given back.
func (p *Pool) Close() {
	p.once.Do(func() { close(p.stop) })
	for _, h := range *p.hosts.Load() {
		h.mu.Lock()
		idle := h.idle
		h.idle = nil
		h.mu.Unlock()
		for _, c := range idle {
			_ = c.net.Close()
		}
	}
}

// Get returns a connection to an address: the idle one that was used last, else a new one.
func (p *Pool) Get(ctx context.Context, addr string) (*Conn, error) {
	h := p.host(addr)
	h.asks.Add(1)
	h.mu.Lock()
	if n := len(h.idle); n > 0 {
		c := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		return c, nil
	}
	h.mu.Unlock()
	nc, err := p.cfg.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return newConn(p, h, nc), nil
}

func (p *Pool) host(addr string) *host {
	if h := (*p.hosts.Load())[addr]; h != nil {
		return h
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := *p.hosts.Load()
	if h := known[addr]; h != nil {
		return h
	}
	next := make(map[string]*host, len(known)+1)
	maps.Copy(next, known)
	h := &host{used: time.Now()}
	next[addr] = h
	p.hosts.Store(&next)
	return h
}

// put keeps a connection for another request.
func (p *Pool) put(c *Conn) {
	h := c.host
	h.mu.Lock()
	select {
	case <-p.stop:
	default:
		if len(h.idle) < p.cfg.MaxIdle {
			h.idle = append(h.idle, c)
			h.mu.Unlock()
			return
		}
	}
	h.mu.Unlock()
	_ = c.net.Close()
}

// tidying closes connections that are not used, and forgets addresses that are not.
func (p *Pool) tidying() {
	tick := time.NewTicker(p.cfg.Idle / 8)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			p.tidy(now)
		case <-p.stop:
			return
		}
	}
}

func (p *Pool) tidy(now time.Time) {
	var gone []string
	for addr, h := range *p.hosts.Load() {
		h.mu.Lock()
		if asks := h.asks.Load(); asks != h.seen {
			h.seen, h.used = asks, now
		}
		old := 0 // those at the bottom were not used for longest
		for old < len(h.idle) && h.idle[old].unused(now) >= p.cfg.Idle {
			old++
		}
		closing := append([]*Conn(nil), h.idle[:old]...)
		h.idle = append(h.idle[:0], h.idle[old:]...)
		if len(h.idle) == 0 && now.Sub(h.used) > 2*p.cfg.Idle {
			gone = append(gone, addr)
		}
		h.mu.Unlock()
		for _, c := range closing {
			_ = c.net.Close()
		}
	}
	if len(gone) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := maps.Clone(*p.hosts.Load())
	for _, addr := range gone {
		delete(next, addr) // one that is asked for just now closes its connection when it is given back
	}
	p.hosts.Store(&next)
}
