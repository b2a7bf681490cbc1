package observe

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe/spans"
)

// Edge is [Telemetry.EdgeHandler] for an engine that does not work on net/http. While nothing
// leaves the process it makes no spans, only the ids that are passed on. It is safe for
// concurrent use.
type Edge struct {
	handler *serverHandler
	silent  bool
}

// Edge returns what makes the spans and metrics of strangers' requests.
func (t *Telemetry) Edge() *Edge {
	h := t.handler(nil)
	h.edge = true
	return &Edge{handler: h, silent: t.silent}
}

// Entry is one request's part of a trace. The zero value is ready, and may be used again when
// the request has ended. It is for the goroutine that serves the request.
type Entry struct {
	span    trace.Span      // nil: none is made
	ctx     context.Context //nolint:containedctx // the span's
	began   time.Time
	method  string
	learned served
	parent  [traceparent]byte
}

// traceparent is the length of a traceparent field of version 00 (W3C Trace Context, 3.2.2).
const traceparent = 55

// Begin begins a request with the traceparent that came with it; "" for none or several. It
// returns the context to work with, which is ctx where nothing records.
func (e *Edge) Begin(ctx context.Context, n *Entry, began time.Time, method, id, parent string) context.Context {
	n.span, n.ctx, n.began, n.method = nil, nil, began, methodOf(method)
	if e.silent {
		n.pass(parent)
		return ctx
	}
	n.learned = served{}
	if ValidRequestID(id) {
		n.learned.id = id
	}
	h := http.Header{}
	if parent != "" {
		h["Traceparent"] = []string{parent}
	}
	ctx = e.handler.propagator.Extract(spans.FromOutside(ctx), headers(h))
	ctx, span := e.handler.tracer.Start(ctx, n.method, e.handler.options...) //nolint:spancheck // End ends it
	n.span = span
	n.ctx = context.WithValue(ctx, servedKey{}, &n.learned)
	n.note(n.span.SpanContext())
	return n.ctx //nolint:spancheck // as above
}

// Refuse is Begin for a request that is turned away as there are too many: its span is made
// when it is sampled, and not to be kept for its failure, as [spans.Refused] says.
func (e *Edge) Refuse(ctx context.Context, n *Entry, began time.Time, method, id, parent string) context.Context {
	if !e.silent {
		ctx = spans.Refused(ctx)
	}
	return e.Begin(ctx, n, began, method, id, parent)
}

// Traceparent is the field that goes to the instance where no span of the call is made. It is
// good until the next Begin.
func (n *Entry) Traceparent() string { return unsafe.String(&n.parent[0], traceparent) } //nolint:gosec // said to be good until then

// Going is the traceparent that goes on from ctx: that of the span of the call, where one is
// made. It is good until the next Begin.
func (n *Entry) Going(ctx context.Context) string {
	if n.span != nil {
		n.note(trace.SpanContextFromContext(ctx))
	}
	return n.Traceparent()
}

// State is the tracestate that goes on from ctx; "" none.
func (n *Entry) State(ctx context.Context) string {
	if n.span == nil {
		return ""
	}
	return trace.SpanContextFromContext(ctx).TraceState().String()
}

// TraceID is the trace's id, good until the next Begin.
func (n *Entry) TraceID() string { return n.Traceparent()[3:35] }

// Records reports whether spans are made.
func (n *Entry) Records() bool { return n.span != nil && n.span.IsRecording() }

// End ends the request: path is the decoded one, status 0 when there was no answer, and whole
// says that the answer was not broken off.
func (e *Edge) End(n *Entry, path, route string, status int, whole bool) {
	failed := ""
	if status >= 500 || !whole {
		failed = "aborted"
		if status >= 500 {
			failed = strconv.Itoa(status)
		}
	}
	ctx := n.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	if n.span != nil {
		if n.span.IsRecording() {
			e.handler.describe(n.span, path, n.method, route, n.learned.id, status, failed)
		}
		n.span.End()
	}
	if e.handler.duration.histogram.Enabled(ctx) {
		e.handler.duration.record(ctx, time.Since(n.began), call{method: n.method, target: route, status: status, failed: failed})
	}
	n.span, n.ctx = nil, nil
}

// pass makes the field that goes on: the stranger's trace, or a new one, and a new span.
func (n *Entry) pass(parent string) {
	var sc trace.SpanContext
	if !wellFormed(parent) {
		parent = ""
	}
	if parent == "" {
		var id trace.TraceID
		binary.BigEndian.PutUint64(id[:8], rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // not all zero
		sc = sc.WithTraceID(id)
		n.note(sc.WithSpanID(newSpanID()))
		return
	}
	copy(n.parent[:], parent[:36])
	span := newSpanID()
	hex.Encode(n.parent[36:52], span[:])
	copy(n.parent[52:], "-00")
}

func newSpanID() (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

func (n *Entry) note(sc trace.SpanContext) {
	id, span := sc.TraceID(), sc.SpanID()
	copy(n.parent[:], "00-")
	hex.Encode(n.parent[3:35], id[:])
	n.parent[35] = '-'
	hex.Encode(n.parent[36:52], span[:])
	copy(n.parent[52:], "-00")
	if sc.IsSampled() {
		n.parent[54] = '1'
	}
}

// wellFormed reports whether a traceparent is one of version 00.
func wellFormed(s string) bool {
	if len(s) != traceparent || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	return lowerHex(s[3:35]) && lowerHex(s[36:52]) && hexDigit(s[53]) && hexDigit(s[54])
}

// lowerHex reports whether s has hexadecimal digits only, and not all of them 0.
func lowerHex(s string) bool {
	zero := true
	for i := range len(s) {
		if !hexDigit(s[i]) {
			return false
		}
		zero = zero && s[i] == '0'
	}
	return !zero
}

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
