package muster

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"log/slog"
	"net"
	"net/http"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/crash"
)

// Crash has a plan count, and crash at, what the services write to their databases, to
// each other and to the broker: as MUSTER_CRASH does for a process of its own. It is for
// tests, that play several processes in one by a Run and a plan for each. Nobody is
// counted who talks to the registry or takes telemetry: no business depends on it. They
// are cut off with the rest.
func Crash(plan *crash.Plan) Option {
	return func(o *options) { o.crash = plan }
}

// throughDatabase is a DatabaseDriver whose connections can be counted.
type throughDatabase interface {
	OpenThrough(ctx context.Context, url string, through func(driver.Connector) driver.Connector) (*sql.DB, error)
}

// throughBus is a BusDriver whose connections can be counted; of any other the messages
// and what becomes of them are.
type throughBus interface {
	OpenBusThrough(ctx context.Context, url, client string, log *slog.Logger, dial func(ctx context.Context, network, address string) (net.Conn, error)) (bus.Broker, error)
}

// planFromEnv reads MUSTER_CRASH, which only a drill on this machine may set.
func (o *options) planFromEnv(settings []Settings) error {
	if o.crash != nil {
		return nil
	}
	value, set := o.lookup(crash.Variable)
	if !set {
		value = ""
	}
	plan, err := crash.FromEnv(value)
	if err != nil || plan == nil {
		return asConfigError(err)
	}
	for _, s := range settings {
		if ip := net.ParseIP(s.Host); s.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return configErrorf("%s is set and MUSTER_HOST is %s: it has a service kill itself, and is for drills on one machine; unset it", crash.Variable, s.Host)
		}
	}
	o.crash, o.crashByEnv = plan, true
	return nil
}

func asConfigError(err error) error {
	if err == nil {
		return nil
	}
	return configErrorf("%v", err)
}

// openDatabase opens a database, counted where there is a plan.
func (o *options) openDatabase(ctx context.Context, d DatabaseDriver, url string) (*sql.DB, error) {
	if o.crash == nil {
		return d.Open(ctx, url)
	}
	in, ok := d.(throughDatabase)
	if !ok {
		return nil, configErrorf("%s is set, and the driver %q lets nobody count its statements: it needs a method OpenThrough", crash.Variable, d.Name())
	}
	return in.OpenThrough(ctx, url, o.crash.Connector)
}

// openBus connects to a broker, counted where there is a plan.
func (o *options) openBus(ctx context.Context, d BusDriver, url, client string, log *slog.Logger) (bus.Broker, error) {
	if in, ok := d.(throughBus); ok && o.crash != nil {
		return in.OpenBusThrough(ctx, url, client, log, o.crash.Dial("broker", (&net.Dialer{}).DialContext))
	}
	b, err := d.OpenBus(ctx, url, client, log)
	if err != nil || o.crash == nil {
		return b, err
	}
	return o.crash.Broker(b), nil
}

// dial returns how services reach each other, counted where there is a plan.
func (o *options) dial(p *pipes) func(ctx context.Context, addr string) (net.Conn, error) {
	if o.crash == nil {
		return p.dial
	}
	through := o.crash.Dial("call", func(ctx context.Context, _, addr string) (net.Conn, error) { return p.dial(ctx, addr) })
	return func(ctx context.Context, addr string) (net.Conn, error) { return through(ctx, "tcp", addr) }
}

// registryClient is nil where there is no plan: the registry's own is used then.
func (o *options) registryClient() *http.Client {
	if o.crash == nil {
		return nil
	}
	return &http.Client{Transport: &http.Transport{DialContext: o.crash.Dial("", (&net.Dialer{Timeout: dialTimeout}).DialContext)}}
}

// crashing says, once it serves, that the process may end itself.
func (a *App) crashing() {
	if !a.options.crashByEnv {
		return
	}
	a.Handle("/.muster/crash", a.options.crash.Handler())
	a.Log().Warn("this process may kill itself: " + crash.Variable + " is set, which is for drills")
}
