package call

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/auth"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/internal/alarm"
	"github.com/musterdev/muster/call/internal/carry"
	"github.com/musterdev/muster/call/internal/link"
	"github.com/musterdev/muster/call/internal/method"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/internal/snap"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/mtls"
)

// Config says how a Caller works. Only Resolver is needed.
type Config struct {
	Resolver discovery.Resolver
	// Name is the service that calls: those called are told by [discovery.CallerHeader], to
	// hold it to what it may ask of them. "" leaves the header as it is.
	Name string
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
	who carry.Who

	pools   snap.Map[string, *pool.Pool] // by service
	links   snap.Map[linkKey, *link.HTTP]
	common  pool.Config
	methods method.Table
	alarms  alarm.Alarms
	traces  link.Traces
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
	c := &Caller{cfg: cfg, who: carry.NewWho(cfg.Name)}
	c.common = pool.Config{Usual: cfg.Settings, Balance: cfg.Balance, Log: cfg.Log, Probe: c.probe}
	return c
}

// Close releases idle connections; calls that run go on to their end.
func (c *Caller) Close() {
	for _, p := range c.pools.Clear() {
		p.Close()
	}
	for _, l := range c.links.Clear() {
		l.CloseIdleConnections()
	}
}

// InFlight returns how many attempts of this caller run at the instance with this id.
func (c *Caller) InFlight(id string) int64 {
	var n int64
	for _, p := range c.pools.All() {
		n += p.InFlight(id)
	}
	return n
}

func (c *Caller) pool(service string) *pool.Pool {
	if p, ok := c.pools.Get(service); ok {
		return p
	}
	return c.pools.Made(service, func() *pool.Pool { return pool.New(service, c.cfg.Resolver.View(service), &c.common) })
}

// Do runs attempt at one instance after another until one succeeds or the policy
// forbids the next. On success the ticket stays open: whoever holds the answer ends
// it by Ticket.Done. An attempt that fails returns *Failed to say what is known of
// it; any other error counts as "something was sent".
func (c *Caller) Do(ctx context.Context, op Op, attempt func(ctx context.Context, t *Ticket) error) error {
	d := &doing{f: attempt}
	d.set(c, c.target(&op), op, d)
	d.alone = true // only the caller could keep them apart
	_, err := d.do(ctx)
	return err
}

// target returns what is known of the calls that op is one of.
func (c *Caller) target(op *Op) *pool.Target {
	return c.pool(op.Service).Rules().Matching(cmp.Or(op.Route, op.Name))
}

// Manner is what is said of how calls like one are made.
type Manner = pool.Manner

// Manner returns how calls like op are made now.
func (c *Caller) Manner(op *Op) Manner { return c.target(op).Manner() }

// doing is one Do.
type doing struct {
	course[struct{}]

	f func(context.Context, *Ticket) error
}

func (d *doing) attempt(ctx context.Context, t *Ticket) (struct{}, error) {
	return struct{}{}, d.f(ctx, t)
}

func (*doing) discard(struct{}) {}

// noToken is an attempt that was not made for want of a token: no other instance
// would change that.
func noToken(err error, service string) error {
	return &Failed{Err: fmt.Errorf("no token for calls to %q: %w", service, err), Failure: resilience.Failure{Final: true}}
}

func (c *Caller) tls(service string) *tls.Config { return c.cfg.TLS.Client(service) }
