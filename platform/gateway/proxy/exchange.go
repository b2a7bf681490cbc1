package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// Exchange is one request on its way through the edge, whatever engine reads it:
// Begin, Route, then an attempt or more, End. It is not for concurrent use.
type Exchange struct {
	Method    string
	Host      string // canonical once Route has returned
	Path      string // canonical once Route has returned
	RequestID string
	TraceID   string // "" without a trace
	RPC       bool   // it is a gRPC call

	Target  *route.Target // nil until Route has found one
	Version string        // of the service; "" any

	Instance string // the last that was tried; "" none
	Attempts int    // at instances
	Status   int    // of the answer; 499 when the client went away before it
	GRPC     int    // status code of a gRPC answer; negative: none
	Bytes    int64  // of the answer's body
	Broken   bool   // the instance broke off after its answer began
	Err      error  // why the edge itself failed the request

	start  time.Time
	inside bool // asked by a program of the fleet
}

// Begin starts the clock and counts the request as in flight. An id from outside is
// kept when it is valid, else one is made.
func (g *Gateway) Begin(x *Exchange, method, requestID string) {
	if !observe.ValidRequestID(requestID) {
		requestID = newRequestID()
	}
	x.Method, x.RequestID, x.GRPC, x.start, x.inside = method, requestID, -1, time.Now(), g.cfg.Find != nil
	g.metrics.running.Add(1)
}

// Route finds the route of a request, from its Host header and its path as it stands
// in the request line, and draws the version. The error is a *problem.Error:
// InvalidArgument when either is ambiguous, NotFound when there is no route.
func (g *Gateway) Route(x *Exchange, host, rawPath string) (err error) {
	x.Host, x.Path = host, rawPath // for the log, should they be refused
	if host, err = route.CanonicalHost(host); err != nil {
		return err
	}
	path, err := route.CanonicalPath(rawPath)
	if err != nil {
		return err
	}
	x.Host, x.Path = host, path
	if g.cfg.Find != nil {
		x.Target, err = g.cfg.Find(x)
		return err
	}
	if x.Target = g.Table().Match(host, path); x.Target == nil {
		return problem.New(problem.NotFound, "no service is routed at this path")
	}
	if len(x.Target.Versions) > 0 {
		x.Version = x.Target.Version(rand.Uint64())
	}
	return nil
}

// Op describes the call to the service that Route found. key is the request's
// Idempotency-Key.
func (x *Exchange) Op(key string) call.Op {
	name := x.Method + " " + x.Target.Path
	switch {
	case x.inside && x.RPC:
		name = x.Path
	case x.inside:
		name = x.Method + " " + x.Path
	}
	return call.Op{
		Service: x.Target.Service, Name: name, Route: x.Method + " " + x.Path, Endpoint: x.endpoint(),
		Version: x.Version, Idempotent: call.Idempotent(x.Method, key),
	}
}

func (x *Exchange) endpoint() string {
	if x.Target.GRPC {
		return discovery.GRPC
	}
	return discovery.HTTP
}

// Attempt notes that the request goes to the instance at addr.
func (g *Gateway) Attempt(x *Exchange, addr string) {
	x.Attempts++
	x.Instance = g.instance(x.Target.Service, x.endpoint(), addr)
}

// End logs and counts the request. Call it once, when the answer was written.
func (g *Gateway) End(x *Exchange) {
	took := time.Since(x.start)
	g.metrics.end(x, took)
	if g.cfg.Log == nil {
		return
	}
	e := accesslog.Entry{
		Time: x.start, RequestID: x.RequestID, TraceID: x.TraceID, Method: x.Method, Host: x.Host, Path: x.Path,
		Status: x.Status, Bytes: x.Bytes, Duration: took, Instance: x.Instance, Route: x.label(),
		Retries: max(0, x.Attempts-1), GRPC: x.GRPC,
	}
	if x.Err != nil {
		e.Error = x.Err.Error()
	}
	g.cfg.Log.Add(&e)
}

// label is the route's name in logs and metrics.
func (x *Exchange) label() string {
	if x.Target == nil {
		return ""
	}
	return x.Target.Label
}

// newRequestID returns 32 hexadecimal digits. They need to be unique, not secret.
func newRequestID() string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	return hex.EncodeToString(id[:])
}
