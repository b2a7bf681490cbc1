package scene

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// moment is when the scene takes place.
var moment = time.Date(2026, time.May, 12, 14, 30, 0, 0, time.UTC)

// world makes spans and log records; what it makes depends on its seed alone.
type world struct {
	rng   *rand.Rand
	trace signal.TraceID
	spans []signal.Span
	logs  []signal.Log
}

func newWorld(seed uint64) *world { return &world{rng: rand.New(rand.NewPCG(seed, 7))} }

// at is a span as others are made within it: ms since the trace's beginning.
type at struct {
	id      signal.SpanID
	service string
	start   float64
	len     float64
}

func (w *world) newTrace() {
	binary.BigEndian.PutUint64(w.trace[:8], w.rng.Uint64())
	binary.BigEndian.PutUint64(w.trace[8:], w.rng.Uint64())
}

// spread varies a duration as durations do: mostly near, sometimes far above.
func (w *world) spread(ms float64) float64 {
	return ms * math.Exp(w.rng.NormFloat64()*0.28)
}

func attrs(kv ...any) signal.Attributes {
	var out signal.Attributes
	for i := 0; i+1 < len(kv); i += 2 {
		a := signal.Attribute{Key: kv[i].(string)}
		switch v := kv[i+1].(type) {
		case string:
			a.Value = signal.StringValue(v)
		case int:
			a.Value = signal.IntValue(int64(v))
		case bool:
			a.Value = signal.BoolValue(v)
		case float64:
			a.Value = signal.FloatValue(v)
		}
		out = append(out, a)
	}
	return out
}

// span adds a span. base is the trace's beginning.
func (w *world) span(base time.Time, parent at, service, name string, kind signal.Kind, start, length float64, a signal.Attributes) at {
	var id signal.SpanID
	binary.BigEndian.PutUint64(id[:], w.rng.Uint64()|1)
	w.spans = append(w.spans, signal.Span{
		Trace: w.trace, ID: id, Parent: parent.id, Service: service, Name: name, Kind: kind,
		Start: base.UnixNano() + int64(start*1e6), Duration: int64(length * 1e6),
		Attributes: a, Resource: attrs("service.instance.id", service+"-1", "service.version", versions[service], "telemetry.sdk.language", language(service), "host.name", "ember"),
		Scope: "github.com/musterdev/muster/observe", Remote: parent.service != service,
	})
	return at{id, service, start, length}
}

// fail marks the span that was added last as failed.
func (w *world) fail(message string) {
	s := &w.spans[len(w.spans)-1]
	s.Status, s.Message = signal.Error, message
}

func language(service string) string {
	if service == "notify" {
		return "nodejs"
	}
	return "go"
}

var versions = map[string]string{
	"edge": "0.9.0", "control": "0.9.0", "broker": "0.9.0", "catalog": "2.1.0", "cart": "1.3.4", "inventory": "3.0.1",
	"orders": "1.4.2", "payments": "1.9.0", "shipping": "1.1.0", "card": "0.3.0", "notify": "0.2.7",
}

// call is a client's span and the server's span in it, which is returned.
func (w *world) call(base time.Time, from at, to, name string, start, length float64) at {
	c := w.span(base, from, from.service, name, signal.Client, start, length, attrs("server.address", to, "rpc.system", "grpc", "rpc.method", name, "rpc.grpc.status_code", 0))
	return w.span(base, c, to, name, signal.Server, start+length*0.08, length*0.84, attrs("rpc.system", "grpc", "rpc.method", name, "network.protocol.name", "http", "network.protocol.version", "2"))
}

func (w *world) query(base time.Time, in at, sql string, start, length float64) {
	op := sql[:min(len(sql), 6)]
	w.span(base, in, in.service, op+" "+in.service, signal.Client, start, length, attrs("db.system.name", "sqlite", "db.namespace", in.service, "db.operation.name", op, "db.query.text", sql))
}

// event is a message on its way from a service over the broker to another.
func (w *world) event(base time.Time, from at, topic, to string, start, length float64) at {
	p := w.span(base, from, from.service, "publish "+topic, signal.Producer, start, w.spread(0.9), attrs("messaging.system", "nats", "messaging.destination.name", topic))
	if to == "notify" { // is posted its events
		b := w.span(base, p, "broker", "process "+topic, signal.Consumer, start+w.spread(3), length*1.2, attrs("messaging.system", "nats", "messaging.destination.name", topic))
		c := w.span(base, b, "broker", "POST", signal.Client, b.start+0.2, length*1.1, attrs("server.address", "notify", "http.request.method", "POST", "url.path", "/events"))
		return w.span(base, c, to, "POST /events", signal.Server, c.start+0.3, length, attrs("http.request.method", "POST", "http.route", "/events", "http.response.status_code", 204))
	}
	return w.span(base, p, to, "process "+topic, signal.Consumer, start+w.spread(3), length, attrs("messaging.system", "nats", "messaging.destination.name", topic, "messaging.consumer.group.name", to))
}

func (w *world) log(base time.Time, in at, offset float64, level signal.Severity, text string, kv ...any) {
	w.logs = append(w.logs, signal.Log{
		Time: base.UnixNano() + int64((in.start+offset)*1e6), Service: in.service, Severity: level, Body: text,
		Trace: w.trace, Span: in.id, Attributes: attrs(kv...), Resource: attrs("service.instance.id", in.service+"-1"),
	})
}

// request is a shopper's request as the edge sees it, and what it is within the service.
func (w *world) request(base time.Time, to, method, route, path string, status int, length float64) at {
	w.newTrace()
	a := attrs("http.request.method", method, "url.path", path, "http.route", route, "http.response.status_code", status, "client.address", "127.0.0.1", "user_agent.original", "muster-shopper/1", "url.scheme", "http")
	e := w.span(base, at{}, "edge", method+" "+route, signal.Server, 0, length, a)
	if status >= 500 {
		w.fail("the upstream answered " + http500(status))
	}
	c := w.span(base, e, "edge", method, signal.Client, length*0.03, length*0.94, attrs("server.address", to, "http.request.method", method, "http.response.status_code", status))
	s := w.span(base, c, to, method+" "+route, signal.Server, length*0.05, length*0.9, a)
	if status >= 500 {
		w.fail(http500(status))
	}
	return s
}

func http500(status int) string {
	if status == 503 {
		return "503 Service Unavailable"
	}
	return "500 Internal Server Error"
}
