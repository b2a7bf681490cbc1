package observe

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe/spans"
)

// scope names this package as what made a span or a metric.
const scope = "github.com/musterdev/muster/observe"

// seconds are the bounds of all histograms of durations: those of OpenTelemetry's semantic
// conventions for HTTP and RPC metrics, and three below them, for services on one machine
// answer in less than their first, 5 ms, and would all be said to take half of it.
func seconds() metric.HistogramOption {
	return metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
}

// served is what is known of a request that is served. Route writes the route, in the
// goroutine that serves the request; the id does not change.
type served struct {
	id    string // the request's; ""
	route string
}

type servedKey struct{}

// Route says which route a request was served by, such as /v1/products/{id}; ctx is the
// request's. It becomes the attribute http.route of the request's span and metrics, so it
// must be one of few. Of several calls the last counts. It is to be called before the
// handler returns, by the goroutine that serves the request.
func Route(ctx context.Context, route string) {
	if s, ok := ctx.Value(servedKey{}).(*served); ok {
		s.route = route
	}
}

// RouteOf returns the path of a pattern of http.ServeMux, without method, host and {$}:
// what [Route] takes. It is "" for no pattern.
func RouteOf(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		pattern = strings.TrimLeft(path, " \t")
	}
	if i := strings.IndexByte(pattern, '/'); i > 0 {
		pattern = pattern[i:]
	}
	return strings.TrimSuffix(pattern, "{$}")
}

// quiet reports whether requests to a path are the fleet's own: operating a service is
// not its traffic.
func quiet(path string) bool {
	switch path {
	case "/livez", "/readyz", "/startupz", "/.muster":
		return true
	}
	return strings.HasPrefix(path, "/.muster/")
}

// Handler makes a span and the metric http.server.request.duration of each request, and
// takes its request id into the context. The route comes from [Route], else from the
// pattern of http.ServeMux where the request was not copied on the way to it. Probes and
// what is below /.muster make neither.
func (t *Telemetry) Handler(next http.Handler) http.Handler { return t.handler(next) }

// EdgeHandler is [Telemetry.Handler] where strangers' requests come in. A trace of theirs
// goes on under its id, so that they can name it, but whether it is sampled is decided here,
// and its tracestate goes no further: it would say for how many others the trace stands.
func (t *Telemetry) EdgeHandler(next http.Handler) http.Handler {
	h := t.handler(next)
	h.edge = true
	return h
}

func (t *Telemetry) handler(next http.Handler) *serverHandler {
	return &serverHandler{
		next: next, tracer: t.Traces.Tracer(scope), propagator: t.propagator, options: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)},
		duration: newDurations(t.Meters, "http.server.request.duration", "Duration of HTTP server requests."),
	}
}

type serverHandler struct {
	next       http.Handler
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	duration   *durations
	options    []trace.SpanStartOption
	edge       bool
}

func (h *serverHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, id := r.Context(), r.Header.Get(RequestIDHeader)
	if !ValidRequestID(id) {
		id = ""
	}
	learned := &served{id: id}
	if quiet(r.URL.Path) {
		h.next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, servedKey{}, learned)))
		return
	}
	began, method := time.Now(), methodOf(r.Method)
	if h.edge {
		delete(r.Header, "Tracestate") // also from what is passed on
		ctx = spans.FromOutside(ctx)
	}
	ctx = h.propagator.Extract(ctx, headers(r.Header))
	ctx, span := h.tracer.Start(ctx, method, h.options...)
	r = r.WithContext(context.WithValue(ctx, servedKey{}, learned))
	noted := &statusWriter{ResponseWriter: w}
	finished := false
	defer func() { // also when the handler panics to cut the connection
		status := noted.status
		if status == 0 && finished {
			status = http.StatusOK
		}
		route := learned.route
		if route == "" {
			route = RouteOf(r.Pattern)
		}
		failed := ""
		if status >= 500 || !finished {
			failed = "aborted"
			if status >= 500 {
				failed = strconv.Itoa(status)
			}
		}
		if span.IsRecording() {
			h.describe(span, r.URL.Path, method, route, id, status, failed)
		}
		span.End()
		h.duration.record(ctx, time.Since(began), call{method: method, target: route, status: status, failed: failed})
	}()
	h.next.ServeHTTP(noted, r)
	finished = true
}

func (h *serverHandler) describe(span trace.Span, path, method, route, id string, status int, failed string) {
	attrs := make([]attribute.KeyValue, 0, 8)
	attrs = append(attrs, attribute.String("http.request.method", method), attribute.String("url.path", clip(path)))
	if route != "" {
		span.SetName(method + " " + route)
		attrs = append(attrs, attribute.String("http.route", route))
	}
	if status != 0 {
		attrs = append(attrs, attribute.Int("http.response.status_code", status))
	}
	if id != "" {
		attrs = append(attrs, attribute.String("muster.request_id", id))
	}
	if failed != "" {
		attrs = append(attrs, attribute.String("error.type", failed))
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(attrs...)
}

// maxText is the most bytes of an attribute's text: what waits to be sent must not become
// large by what callers send.
const maxText = 4096

// clip returns a bounded copy: a path is a part of a request's whole first line, which
// would stay with it.
func clip(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return strings.Clone(s)
}

// methodOf keeps what clients invent out of names (RFC 9110, 9; RFC 5789). What it returns
// is no part of the request.
func methodOf(method string) string {
	if method == "" {
		return http.MethodGet
	}
	for _, known := range [...]string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions, http.MethodConnect, http.MethodTrace,
	} {
		if method == known {
			return known
		}
	}
	return "_OTHER"
}

// Transport makes a span and the metric http.client.request.duration of each call, and
// passes trace and request id on. The host of a URL is the name of the service that is
// called. A span ends when the answer's body was read or closed.
func (t *Telemetry) Transport(next http.RoundTripper) http.RoundTripper {
	return &clientTransport{
		next: next, tracer: t.Traces.Tracer(scope), propagator: t.propagator,
		duration: newDurations(t.Meters, "http.client.request.duration", "Duration of HTTP client requests."),
	}
}

type clientTransport struct {
	next       http.RoundTripper
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	duration   *durations
}

func (c *clientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	began, method, peer := time.Now(), methodOf(r.Method), r.URL.Hostname()
	ctx, span := c.tracer.Start(r.Context(), method+" "+peer, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(began))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("server.address", peer), attribute.String("url.full", withoutSecrets(r)))
	}
	r = r.Clone(ctx) // a RoundTripper does not change its request
	c.propagator.Inject(ctx, headers(r.Header))
	if id := RequestID(ctx); id != "" && r.Header.Get(RequestIDHeader) == "" {
		r.Header.Set(RequestIDHeader, id)
	}
	res, err := c.next.RoundTrip(r)
	done := call{method: method, peer: peer}
	if err != nil {
		done.failed = "no_answer"
		if span.IsRecording() {
			span.SetAttributes(attribute.String("error.type", done.failed))
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
		c.duration.record(ctx, time.Since(began), done)
		return nil, err
	}
	if done.status = res.StatusCode; res.StatusCode >= 400 {
		done.failed = strconv.Itoa(res.StatusCode)
	}
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", res.StatusCode))
		if done.failed != "" {
			span.SetAttributes(attribute.String("error.type", done.failed))
			span.SetStatus(codes.Error, "")
		}
	}
	end := sync.OnceFunc(func() {
		span.End()
		c.duration.record(ctx, time.Since(began), done)
	})
	if res.StatusCode == http.StatusSwitchingProtocols || res.Body == http.NoBody { // what an upgraded connection can do must stay
		end()
		return res, nil
	}
	res.Body = &endingBody{res.Body, end}
	return res, nil
}

// withoutSecrets returns the URL of a request without user, password and query.
func withoutSecrets(r *http.Request) string {
	u := *r.URL
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return clip(u.String())
}

// endingBody ends a span with the body of its answer.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
