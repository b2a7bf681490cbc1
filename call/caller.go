package call

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/auth"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/mtls"
	"github.com/musterdev/muster/problem"
)

// Config says how a Caller works. Only Resolver is needed.
type Config struct {
	Resolver discovery.Resolver
	Retry    resilience.Retry // zero: resilience.DefaultRetry
	// Timeout bounds a call whose context has no deadline: an HTTP call until the
	// response's headers are there, a unary gRPC call to its end. 0 means 10 s,
	// negative none. gRPC tells the peer of it; HTTP does not, as the answer's body may
	// be a stream that goes on.
	Timeout time.Duration
	// Wait bounds how long a call waits for an instance while the service has none
	// that may be chosen or none that can be reached. 0 means 3 s, negative not at all.
	Wait   time.Duration
	TLS    mtls.Source // nil: mtls.Plain
	Tokens auth.Source // nil: auth.Open
	Stamp  Stamp       // nil: no call belongs to a longer process
	// Dial opens connections; nil means TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// GRPC is added to the options of every gRPC connection.
	GRPC []grpc.DialOption
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
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
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
		p.members, p.seen = nil, nil
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
				n += m.inFlight.Load()
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
		p = &pool{view: c.cfg.Resolver.View(service)}
		c.pools[service] = p
	}
	return p
}

// Do runs attempt at one instance after another until one succeeds or the policy
// forbids the next. On success the ticket stays open: whoever holds the answer ends
// it by Ticket.Done. An attempt that fails returns *Failed to say what is known of
// it; any other error counts as "something was sent".
func (c *Caller) Do(ctx context.Context, op Op, attempt func(ctx context.Context, t *Ticket) error) error {
	pool, began := c.pool(op.Service), time.Now()
	var tried []*member
	for n := 1; ; n++ {
		changed := pool.view.Changed()
		m, err := c.next(ctx, pool, op, tried)
		if err != nil {
			return err
		}
		if slices.Contains(tried, m) { // there is no other: give it time, or a new one to appear
			m.end()
			pauseUntil(ctx, changed, max(leastPause<<min(n-2, 5), c.cfg.Retry.Pause(n-1)))
			if m, err = c.next(ctx, pool, op, tried); err != nil {
				return err
			}
		}
		in := m.info.Load()
		t := &Ticket{Instance: *in, Addr: in.Endpoints[op.Endpoint], member: m}
		if err = t.run(ctx, attempt); err == nil {
			m.answered()
			return nil
		}
		f := failure(ctx, err)
		away := !f.Sent && !f.Timeout && !f.Answered && !f.Final
		if away {
			m.failedDial(time.Now())
		}
		// An instance that cannot be reached is waited for like one that is not there.
		if !c.cfg.Retry.Again(n, op.Idempotent, f) && !(away && time.Since(began) < c.cfg.Wait) {
			return err
		}
		if !slices.Contains(tried, m) {
			tried = append(tried, m)
		}
	}
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
			return nil, noInstance(op)
		}
		if timeout == nil {
			t := time.NewTimer(c.cfg.Wait)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-changed:
		case <-timeout:
			return nil, noInstance(op)
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

func noInstance(op Op) error {
	return &Failed{Err: problem.Wrap(ErrNoInstance, problem.Unavailable,
		"no instance of service %q offers %s: start it, or check its name and its readiness", op.Service, op.Endpoint)}
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
