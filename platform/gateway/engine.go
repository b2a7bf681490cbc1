package gateway

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/upstream"
	"github.com/musterdev/muster/platform/gateway/nethttp"
	"github.com/musterdev/muster/platform/gateway/pace"
	"github.com/musterdev/muster/platform/gateway/relay"
)

// engines are the two that serve the traffic: one for HTTP/1.1, which accepts the
// connections, and one on net/http for what that hands over.
type engines struct {
	own   *http1.Engine
	other *nethttp.Engine
	calls *upstream.Pool
}

var _ Engine = (*engines)(nil)

// newEngine makes the engine of the traffic.
func (e *edge) newEngine(telemetry *observe.Telemetry) *engines {
	least := pace.Least{Rate: e.cfg.LeastRate}
	other := nethttp.New(nethttp.Config{Handler: own(telemetry.EdgeHandler(e.gateway)), Log: e.log, Least: least})
	calls := upstream.New(upstream.Config{})
	r := relay.New(relay.Config{
		Gateway: e.gateway, Caller: e.caller, Upstream: calls, Edge: telemetry.Edge(), AnswerTimeout: e.cfg.AnswerTimeout,
	})
	return &engines{own: http1.New(http1.Config{Session: r.Session, Other: other, Log: e.log, Least: least}), other: other, calls: calls}
}

// Serve implements [Engine].
func (e *engines) Serve(l net.Listener) error { return e.own.Serve(l) }

// Leave makes the next answer of each connection its last.
func (e *engines) Leave() {
	e.own.Leave()
	e.other.Leave()
}

// Shutdown implements [Engine].
func (e *engines) Shutdown(ctx context.Context) error {
	var errs [2]error
	var ending sync.WaitGroup
	ending.Go(func() { errs[0] = e.own.Shutdown(ctx) })
	ending.Go(func() { errs[1] = e.other.Shutdown(ctx) })
	ending.Wait()
	e.calls.Close()
	return errors.Join(errs[:]...)
}
