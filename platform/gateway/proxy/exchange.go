package proxy

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
	"unsafe"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// Exchange is one request on its way through the edge, whatever engine reads it. The
// Gateway is asked in this order: Begin, Route, Enter, Judge; then Op says what to call,
// there is an attempt or more, Answer completes the head of the answer, and End is the end.
// Whatever refuses the request, Answer and End follow. An Exchange may be used again after
// [Exchange.Reset]. It is not for concurrent use.
type Exchange struct {
	// Request is what filters see. The engine fills Fields, Query, Client, TLS and Length
	// before Route; Fields are those that may go to the instance, see [Gateway.Drops].
	Request filter.Request
	TraceID string // "" without a trace

	Target  *route.Target // nil until Route has found one
	Version string        // of the service; "" any

	Instance string // the last that was tried; "" none
	Attempts int    // at instances
	Status   int    // of the answer; 499 when the client went away before it
	GRPC     int    // status code of a gRPC answer; negative: none
	Bytes    int64  // of the answer's body
	Broken   bool   // the instance broke off after its answer began
	Err      error  // why the edge itself failed the request

	gateway *Gateway
	use     *use // what the request was routed by, to its end
	chain   *snapshot.Chain
	manner  call.Manner
	asked   bool // manner was looked up
	series  *series
	raw     string // path to the instance, as it stands in a request line
	path    string // the same, canonical
	proto   string // by which a client asked a trusted proxy; "" nobody says
	key     string // by which the client's requests are kept together; "" not
	pinned  string // the instance that the client comes back to; "" none
	named   []byte // method and path, for the rules of calls
	judged  bool   // all filters let it through
	entered bool   // by the valve
	inside  bool   // asked by a program of the fleet
}

// Reset makes the Exchange as good as a new one.
func (x *Exchange) Reset() {
	*x = Exchange{named: x.named[:0], Request: filter.Request{Reply: x.Request.Reply[:0]}}
}

// Begin starts the clock, unless the engine has set Request.Began, and counts the request
// as in flight. An id from outside is kept when it is valid, else one is made.
func (g *Gateway) Begin(x *Exchange, method, requestID string) {
	if !observe.ValidRequestID(requestID) {
		requestID = newRequestID()
	}
	x.gateway, x.GRPC, x.inside = g, -1, g.cfg.Find != nil
	x.Request.Method, x.Request.ID = method, requestID
	if x.Request.Began.IsZero() {
		x.Request.Began = time.Now()
	}
	g.metrics.running.Add(1)
}

// Route finds the route of a request, from its Host header and its path as it stands
// in the request line, and draws the version. The error is a *problem.Error:
// InvalidArgument when either is ambiguous, NotFound when there is no route; other codes
// are of what the edge passes on nowhere.
func (g *Gateway) Route(x *Exchange, host, rawPath string) (err error) {
	r := &x.Request
	r.Host, r.Path = host, rawPath // for the log, should they be refused
	x.use = g.use.Load()
	x.series = x.use.unrouted
	if host, err = route.CanonicalHost(host); err != nil {
		return err
	}
	path, err := route.CanonicalPath(rawPath)
	if err != nil {
		return err
	}
	r.Host, r.Path = host, path
	if g.cfg.Front != nil {
		if err := g.cfg.Front(r, rawPath); err != nil {
			return err
		}
	}
	if g.cfg.Find != nil {
		if x.Target, err = g.cfg.Find(x); err != nil {
			return err
		}
		x.series, r.Route, x.raw, x.path = g.metrics.of(x.Target), x.Target.Label, rawPath, path
		return x.refuse()
	}
	ask := route.Ask{Host: host, Path: path, Method: r.Method, Query: r.Query, Fields: r.Fields}
	var allow []string
	if x.Target, allow = x.use.Find(&ask); ask.Doubtful {
		x.Target = nil
		return problem.New(problem.InvalidArgument, "the path of the request has a parameter (;) in a segment that is routed, where programs differ")
	}
	if x.Target == nil {
		return x.unrouted(allow)
	}
	t := x.Target
	r.Route, r.MaxBody, x.chain, x.series = t.Label, t.MaxBody, x.use.Chain(t), x.use.series[t.Index]
	if x.raw, x.path, err = t.Outward(rawPath, path); err != nil {
		return err
	}
	g.stick(x)
	return x.refuse()
}

// unrouted says why there is no route; allow are the methods there would be one for.
func (x *Exchange) unrouted(allow []string) error {
	if len(allow) == 0 {
		return problem.New(problem.NotFound, "no service is routed at this path")
	}
	may := strings.Join(allow, ", ")
	x.Request.Reply.Set("Allow", may)
	e := problem.New(problem.Unimplemented, "the method %.32s is not served here; these are: %s", x.Request.Method, may)
	e.Status = http.StatusMethodNotAllowed
	return e
}

// Whole reports whether the request, once routed, needs what only net/http does: a filter
// that works on bodies, a gRPC service, a copy, two attempts at a time. Nothing was judged before.
func (x *Exchange) Whole() bool {
	t := x.Target
	return t.GRPC || t.Mirror != nil || x.chain.Whole() || t.Service != "" && x.calls().Whole
}

// Enter lets the request in, unless the processors are behind: then the error is a
// *problem.Error, and the answer has the field [resilience.ShedHeader]. priority is what a
// program of the fleet says of it; from outside it is not believed.
func (g *Gateway) Enter(x *Exchange, priority string) error {
	if g.cfg.Valve == nil {
		return nil
	}
	if err := g.cfg.Valve.Enter(x.Priority(priority)); err != nil {
		x.Request.Reply.Set(resilience.ShedHeader, "1")
		return err
	}
	x.entered = true
	return nil
}

// Priority is that of the work the request is made for: a program of the fleet says it, a
// request from outside has what its route gives it.
func (x *Exchange) Priority(said string) resilience.Priority {
	if !x.inside {
		return x.calls().Priority
	}
	p, err := resilience.ParsePriority(said)
	if err != nil {
		return resilience.Normal // there is none, or one that nobody understands
	}
	return p
}

// Judge asks the route's filters, and answers where the route itself does. The error is a
// *filter.Answer or a *problem.Error.
func (g *Gateway) Judge(ctx context.Context, x *Exchange) error {
	if x.Target.Redirect != nil {
		if err := x.redirect(); err != nil {
			return err
		}
	}
	if err := x.chain.Judge(ctx, &x.Request); err != nil {
		return err
	}
	x.judged = true
	return g.deprecated(x)
}

func (x *Exchange) redirect() error {
	r := &x.Request
	to, status, err := x.Target.Location(x.scheme(), r.Host, x.raw, r.Query)
	if err != nil || to == "" {
		return err
	}
	return &filter.Answer{Status: status, Header: filter.Header{{Name: "Location", Value: to}, {Name: "Content-Length", Value: "0"}}}
}

// refuse says what the edge does not pass on although it has a route.
func (x *Exchange) refuse() error {
	r := &x.Request
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		e := problem.New(problem.Unimplemented, "the method %s is not served here", r.Method)
		e.Status = http.StatusMethodNotAllowed
		return e
	case hasHash(r.Query):
		return problem.New(problem.InvalidArgument, "the query of the request has a # that must be encoded")
	case r.RPC && !x.Target.GRPC:
		return problem.New(problem.NotFound, "no gRPC service is routed at this path")
	}
	return nil
}

func hasHash(query string) bool {
	for i := range len(query) {
		if query[i] == '#' {
			return true
		}
	}
	return false
}

// Outward returns the path as it goes into the request line of the instance, and the Host;
// "": as it came.
func (x *Exchange) Outward() (path, host string) {
	w := x.Target.Rewrite
	if w == nil {
		return "", ""
	}
	return x.raw, w.Host
}

// Op describes the call to the service that Route found. key is the request's
// Idempotency-Key. It is good until the Exchange is used for another request.
func (x *Exchange) Op(key string) call.Op {
	op := x.op()
	op.Idempotent = call.Idempotent(x.Request.Method, key)
	if by := x.calls().By; by != "" {
		op.Key = x.Request.Fields.Get(by)
	}
	if x.key != "" {
		op.Key, op.Kept = x.key, true
	}
	op.Instance = x.pinned
	return op
}

func (x *Exchange) op() call.Op {
	r := &x.Request
	if len(x.named) == 0 {
		x.named = append(append(append(x.named, r.Method...), ' '), x.path...)
	}
	named := unsafe.String(unsafe.SliceData(x.named), len(x.named)) //nolint:gosec // not written to before Reset
	op := call.Op{Service: x.Target.Service, Route: named, Endpoint: x.endpoint(), Version: x.Version}
	switch {
	case x.inside && r.RPC:
		op.Name = r.Path
	case x.inside:
		op.Name = r.Method + " " + r.Path
	default:
		op.Name = x.Target.Call(r.Method)
	}
	return op
}

// calls returns how calls to the service are made, looked up once.
func (x *Exchange) calls() *call.Manner {
	if !x.asked {
		op := x.op()
		x.manner, x.asked = x.gateway.cfg.Caller.Manner(&op), true
	}
	return &x.manner
}

func (x *Exchange) endpoint() string {
	if x.Target.GRPC {
		return discovery.GRPC
	}
	return discovery.HTTP
}

// Attempt notes that the request goes to the instance at addr. Who knows its id sets
// Instance and Attempts instead.
func (g *Gateway) Attempt(x *Exchange, addr string) {
	x.Attempts++
	x.Instance = g.instance(x.Target.Service, x.endpoint(), addr)
}

// Answer completes the head of an answer just before it is written, whether an instance's
// or the edge's own, with what filters and the route add to it.
func (g *Gateway) Answer(x *Exchange, status int, fields filter.Fields) {
	for i, f := range x.Request.Reply {
		if i == firstOf(x.Request.Reply, f.Name) {
			fields.Set(f.Name, f.Value)
		} else {
			fields.Add(f.Name, f.Value)
		}
	}
	if t := x.Target; t != nil && !x.inside {
		if t.Deprecated != nil {
			t.Deprecated.Tell(fields)
		}
		if t.Sticky != nil {
			g.remember(x, fields)
		}
	}
	x.chain.Answer(&x.Request, status, fields)
}

func firstOf(h filter.Header, name string) int {
	for i, f := range h {
		if filter.SameField(f.Name, name) {
			return i
		}
	}
	return -1
}

// End logs and counts the request. Call it once, when the answer was written.
func (g *Gateway) End(x *Exchange) {
	took := time.Since(x.Request.Began)
	if x.entered {
		g.cfg.Valve.Leave()
	}
	if x.judged {
		x.chain.End(&x.Request, x.Status)
	}
	g.metrics.end(x, took)
	if g.cfg.Log == nil {
		return
	}
	r := &x.Request
	e := accesslog.Entry{
		Time: r.Began, RequestID: r.ID, TraceID: x.TraceID, Method: r.Method, Host: r.Host, Path: r.Path,
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
