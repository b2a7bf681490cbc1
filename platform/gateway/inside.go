package gateway

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/platform/gateway/local"
	"github.com/musterdev/muster/platform/gateway/nethttp"
	"github.com/musterdev/muster/platform/gateway/pace"
)

// entrance is one way into the fleet: a listener and what serves it.
type entrance struct {
	name   string
	listen net.Listener
	engine Engine // nil: that of the traffic
}

// inside is what an edge has for the entrances of the fleet's own programs.
type inside struct {
	from   discovery.Resolver // with the instances that are drained here
	access *accesslog.Log     // nil: none
	tcp    *l4.Ports
	ways   []entrance
}

// openInside opens the entrances beside that of clients from outside: for programs on this
// machine that call services by name, and for connections that are not HTTP.
func (e *edge) openInside(ctx context.Context, telemetry *observe.Telemetry, closing *closers) error {
	if err := e.openLocal(ctx, telemetry, closing); err != nil {
		return err
	}
	return e.openTCP(ctx, closing)
}

func (e *edge) openLocal(ctx context.Context, telemetry *observe.Telemetry, closing *closers) error {
	if e.cfg.Local == 0 && e.cfg.LocalListener == nil {
		return nil
	}
	l := e.cfg.LocalListener
	if l == nil {
		var err error
		if l, err = e.listenLocal(ctx); err != nil {
			return err
		}
	}
	closing.add(func() error { _ = l.Close(); return nil }) // most often the engine has
	proxy, err := local.New(local.Config{
		Caller: e.caller, Resolver: e.drain, Names: e.names, Services: e.cfg.Services, Metrics: e.metrics, Log: e.access, Faults: e.log,
	})
	if err != nil {
		return err
	}
	// programs of the fleet are believed what they say of their trace, and may take their time
	engine := nethttp.New(nethttp.Config{Handler: telemetry.Handler(proxy), Log: e.log, Least: pace.Least{Rate: -1}})
	e.ways = append(e.ways, entrance{name: "local proxy at " + l.Addr().String(), listen: l, engine: engine})
	return nil
}

// lister is a Resolver that can say which services there are.
type lister interface {
	Catalog(ctx context.Context) (discovery.Catalog, error)
}

var errUnlisted = errors.New("it does not list its services")

// names returns the services that the registry has seen.
func (e *edge) names(ctx context.Context) ([]string, error) {
	from, ok := e.from.(lister)
	if !ok {
		return nil, errUnlisted
	}
	catalog, err := from.Catalog(ctx)
	return slices.Collect(maps.Keys(catalog.Services)), err
}

// inFlight returns how much is under way at an instance, by all entrances.
func (e *edge) inFlight(id string) int64 {
	return e.caller.InFlight(id) + e.tcp.InFlight(id)
}
