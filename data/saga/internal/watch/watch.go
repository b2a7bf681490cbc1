// Package watch tells telemetry what becomes of sagas and of each try of a step.
package watch

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
)

// Scope names package saga as what made a span or a metric.
const Scope = "github.com/musterdev/muster/data/saga"

// The fields of the W3C trace context, and the most of the second that is kept (W3C
// Trace Context, 3.3.1.5: what every vendor passes on).
const (
	traceParent   = "traceparent"
	traceState    = "tracestate"
	maxTraceState = 512
)

// TraceOf writes the trace of a context as the table keeps it: traceparent and, behind a
// space, tracestate where there is one.
func TraceOf(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if state := carrier[traceState]; state != "" && len(state) <= maxTraceState {
		return carrier[traceParent] + " " + state
	}
	return carrier[traceParent]
}

// WithTrace returns a context of the trace that the table keeps of a saga.
func WithTrace(ctx context.Context, kept string) context.Context {
	if kept == "" {
		return ctx
	}
	parent, state, _ := strings.Cut(kept, " ")
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceParent: parent, traceState: state})
}

// Meters count what becomes of steps and sagas.
type Meters struct {
	step metric.Float64Histogram // of each try
	saga metric.Float64Histogram // from its start to its end
	hold metric.Int64Counter     // of a step, for all sagas
	held metric.Int64Gauge       // steps, as this engine knows
}

// NewMeters returns what counts by p; nil: nothing is counted.
func NewMeters(p metric.MeterProvider) Meters {
	m := Meters{noopmetric.Float64Histogram{}, noopmetric.Float64Histogram{}, noopmetric.Int64Counter{}, noopmetric.Int64Gauge{}}
	if p == nil {
		return m
	}
	meter := p.Meter(Scope)
	// the names are ours: neither can fail
	if h, err := meter.Float64Histogram("muster.saga.step.duration", metric.WithUnit("s"), metric.WithDescription("Duration of one try of a saga's step."),
		metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)); err == nil {
		m.step = h
	}
	if h, err := meter.Float64Histogram("muster.saga.duration", metric.WithUnit("s"), metric.WithDescription("Time from a saga's start to its end."),
		metric.WithExplicitBucketBoundaries(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 3600)); err == nil {
		m.saga = h
	}
	if c, err := meter.Int64Counter("muster.saga.holds", metric.WithUnit("{hold}"), metric.WithDescription("Steps that were held, as many sagas failed at them with the same error.")); err == nil {
		m.hold = c
	}
	if g, err := meter.Int64Gauge("muster.saga.held", metric.WithUnit("{step}"), metric.WithDescription("Steps that are held now, in the database that this engine works on.")); err == nil {
		m.held = g
	}
	return m
}

// Ended counts a saga that has ended.
func (m Meters) Ended(ctx context.Context, from, to *table.Row) {
	if !to.Ended() || from.Ended() || !m.saga.Enabled(ctx) {
		return
	}
	m.saga.Record(ctx, max(0, time.Since(time.UnixMilli(from.Created)).Seconds()),
		metric.WithAttributes(attribute.String("muster.saga.name", from.Name), attribute.String("muster.saga.outcome", string(to.State))))
}

// Held tells how many steps are held.
func (m Meters) Held(ctx context.Context, n int) { m.held.Record(ctx, int64(n)) }

// Stopped counts a step that this engine held.
func (m Meters) Stopped(ctx context.Context, name, step string, undo bool) {
	m.hold.Add(ctx, 1, metric.WithAttributes(attribute.String("muster.saga.name", name), attribute.String("muster.saga.step", step), attribute.Bool("muster.saga.undo", undo)))
}

// About are what a span says of a saga.
func About(r table.Row) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("muster.saga.name", r.Name), attribute.String("muster.saga.id", r.ID), attribute.String("muster.saga.step", r.Step),
		attribute.Bool("muster.saga.undo", r.Undoing),
	}
}

// Attempt is one try of a step.
type Attempt struct {
	span  trace.Span      // nil: nobody looks
	ctx   context.Context //nolint:containedctx // of the try
	began time.Time
}

// Begin begins the span of one try, below what started the saga. Without a tracer there is none.
func Begin(ctx context.Context, tracer trace.Tracer, at *table.Row) (context.Context, Attempt) {
	ctx = WithTrace(ctx, at.Trace)
	if tracer == nil {
		return ctx, Attempt{ctx: ctx, began: time.Now()}
	}
	name := "saga " + at.Name + " " + at.Step
	if at.Undoing {
		name += " undo"
	}
	began := time.Now()
	ctx, span := tracer.Start(ctx, name, trace.WithTimestamp(began)) //nolint:spancheck // End does
	return ctx, Attempt{span, ctx, began}                            //nolint:spancheck // as above
}

// End is told what the try came to.
func (a *Attempt) End(m *Meters, at *table.Row, o *plan.Outcome, err error) {
	counted := m.step.Enabled(a.ctx)
	if a.span == nil && !counted {
		return
	}
	outcome := string(o.Kind)
	if err != nil {
		outcome = "lost"
	}
	if a.span != nil && a.span.IsRecording() {
		a.span.SetAttributes(append(About(*at), attribute.Int("muster.saga.attempt", at.Attempts+1), attribute.Int64("muster.saga.fence", at.Fence),
			attribute.String("muster.saga.outcome", outcome))...)
		switch {
		case err != nil:
			a.span.SetStatus(codes.Error, err.Error())
		case o.Kind == plan.Rejected: // an answer, not a failure
			a.span.SetAttributes(attribute.String("muster.saga.reason", o.Text))
		case o.Kind != plan.Done && o.Kind != plan.Waits:
			a.span.SetStatus(codes.Error, o.Text)
		}
	}
	if a.span != nil {
		a.span.End()
	}
	if counted {
		m.step.Record(a.ctx, time.Since(a.began).Seconds(), metric.WithAttributes(attribute.String("muster.saga.name", at.Name),
			attribute.String("muster.saga.step", at.Step), attribute.Bool("muster.saga.undo", at.Undoing), attribute.String("muster.saga.outcome", outcome)))
	}
}
