package call

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/auth"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/mtls"
	"github.com/musterdev/muster/problem"
)

// Config says how a Caller works. Only Resolver is needed.
type Config struct {
	Resolver discovery.Resolver
	// Settings count where a service says nothing of its own about how it is called; see
	// package policy. Their Timeout bounds a call whose context has no deadline: an HTTP
	// call until the response's headers are there, a unary gRPC call to its end; 0 means
	// 10 s, negative none. gRPC tells the peer of it; HTTP does not unless the service
	// itself said it, as the answer's body may be a stream that goes on.
	Settings resilience.Settings
	// Wait bounds how long a call waits for an instance while the service has none
	// that may be chosen or none that can be reached. 0 means 3 s, negative not at all.
	Wait    time.Duration
	Balance balance.Config // how an instance is chosen; zero: balance.PeakEWMA
	TLS     mtls.Source    // nil: mtls.Plain
	Tokens  auth.Source    // nil: auth.Open
	Stamp   Stamp          // nil: no call belongs to a longer process
	// Dial opens connections; nil means TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// GRPC is added to the options of every gRPC connection.
	GRPC []grpc.DialOption
	Log  *slog.Logger // nil logs nothing
}

// leastPause keeps attempts at an instance that refuses them from spinning; it
// doubles five times.
const leastPause = 10 * time.Millisecond

// Caller makes calls to the services a Resolver knows. It is safe for concurrent
// use; a process needs one.
type Caller struct {
	cfg Config

	mu         sync.Mutex
	pools      map[string]*pool
	transports map[transportKey]*http.Transport
}

// New returns a Caller. Close releases its connections.
func New(cfg Config) *Caller {
	if cfg.Resolver == nil {
		cfg.Resolver = discovery.Fixed(nil) // every call says that there is no instance
	}
	if cfg.Wait == 0 {
		cfg.Wait = 3 * time.Second
	}
	if cfg.TLS == nil {
		cfg.TLS = mtls.Plain{}
	}
	if cfg.Tokens == nil {
		cfg.Tokens = auth.Open{}
	}
	if cfg.Dial == nil {
		dialer := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
		cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		}
	}
	return &Caller{cfg: cfg, pools: map[string]*pool{}, transports: map[transportKey]*http.Transport{}}
}

// Close releases idle connections; calls that run go on to their end.
func (c *Caller) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pools {
		p.mu.Lock()
		for _, m := range p.members {
			m.retire()
		}
		p.members, p.seen, p.choices = nil, nil, nil
		p.mu.Unlock()
	}
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
	clear(c.pools)
	clear(c.transports)
}

// InFlight returns how many attempts of this caller run at the instance with this id.
func (c *Caller) InFlight(id string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n int64
	for _, p := range c.pools {
		p.mu.Lock()
		for _, m := range slices.Concat(p.members, p.leaving) {
			if m.info.Load().ID == id {
				n += m.InFlight()
			}
		}
		p.mu.Unlock()
	}
	return n
}

func (c *Caller) pool(service string) *pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pools[service]
	if p == nil {
		p = &pool{service: service, view: c.cfg.Resolver.View(service)}
		c.pools[service] = p
	}
	return p
}

// Do runs attempt at one instance after another until one succeeds or the policy
// forbids the next. On success the ticket stays open: whoever holds the answer ends
// it by Ticket.Done. An attempt that fails returns *Failed to say what is known of
// it; any other error counts as "something was sent".
func (c *Caller) Do(ctx context.Context, op Op, attempt func(ctx context.Context, t *Ticket) error) error {
	_, err := do(ctx, c, c.target(op), op, func(ctx context.Context, t *Ticket) (struct{}, error) {
		return struct{}{}, attempt(ctx, t)
	}, nil)
	return err
}

// run makes one attempt; the ticket stays open only when it succeeds.
func (t *Ticket) run(ctx context.Context, attempt func(context.Context, *Ticket) error) error {
	succeeded := false
	defer func() { // also when it panics
		if !succeeded {
			t.Done()
		}
	}()
	err := attempt(ctx, t)
	succeeded = err == nil
	return err
}

// next chooses a member, waiting a bounded time for one to appear.
func (c *Caller) next(ctx context.Context, p *pool, op Op, tried []*member) (*member, error) {
	var timeout <-chan time.Time
	for {
		changed := p.view.Changed()
		if m := p.choose(op, tried, time.Now()); m != nil {
			return m, nil
		}
		if c.cfg.Wait < 0 {
			return nil, c.noInstance(op)
		}
		if timeout == nil {
			t := time.NewTimer(c.cfg.Wait)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-changed:
		case <-timeout:
			return nil, c.noInstance(op)
		case <-ctx.Done():
			return nil, &Failed{
				Err:     fmt.Errorf("%w (while waiting for an instance of %q)", ctx.Err(), op.Service),
				Failure: resilience.Failure{Timeout: true},
			}
		}
	}
}

// noToken is an attempt that was not made for want of a token: no other instance
// would change that.
func noToken(err error, service string) error {
	return &Failed{Err: fmt.Errorf("no token for calls to %q: %w", service, err), Failure: resilience.Failure{Final: true}}
}

// ErrNoInstance is what a call satisfies with errors.Is that found no instance to go to.
var ErrNoInstance = errors.New("no instance")

func (c *Caller) noInstance(op Op) error {
	do := "start it, or check its name and its readiness"
	if names, ok := c.cfg.Resolver.(discovery.Nearer); ok {
		if near := names.Near(op.Service); len(near) > 0 {
			do = fmt.Sprintf("nobody has registered that name; did you mean \"%s\"?", strings.Join(near, `" or "`))
		}
	}
	return &Failed{Err: problem.Wrap(ErrNoInstance, problem.Unavailable, "no instance of service %q offers %s: %s", op.Service, op.Endpoint, do)}
}

func (c *Caller) tls(service string) *tls.Config { return c.cfg.TLS.Client(service) }

// pauseUntil waits for d, a change or the end of ctx.
func pauseUntil(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
	}
}
