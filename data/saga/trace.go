package saga

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

// scope names this package as what made a span or a metric.
const scope = "github.com/musterdev/muster/data/saga"

// The fields of the W3C trace context, and the most of the second that is kept (W3C
// Trace Context, 3.3.1.5: what every vendor passes on).
const (
	traceParent   = "traceparent"
	traceState    = "tracestate"
	maxTraceState = 512
)

// traceOf writes the trace of a context as the table keeps it: traceparent and, behind a
// space, tracestate where there is one.
func traceOf(ctx context.Context) string {
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

// withTrace returns a context of the trace that the table keeps of a saga.
func withTrace(ctx context.Context, kept string) context.Context {
	if kept == "" {
		return ctx
	}
	parent, state, _ := strings.Cut(kept, " ")
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceParent: parent, traceState: state})
}

// meters count what becomes of steps and sagas.
type meters struct {
	step metric.Float64Histogram // of each try
	saga metric.Float64Histogram // from its start to its end
}

func newMeters(p metric.MeterProvider) meters {
	m := meters{noopmetric.Float64Histogram{}, noopmetric.Float64Histogram{}}
	if p == nil {
		return m
	}
	meter := p.Meter(scope)
	// the names are ours: neither can fail
	if h, err := meter.Float64Histogram("muster.saga.step.duration", metric.WithUnit("s"), metric.WithDescription("Duration of one try of a saga's step."),
		metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)); err == nil {
		m.step = h
	}
	if h, err := meter.Float64Histogram("muster.saga.duration", metric.WithUnit("s"), metric.WithDescription("Time from a saga's start to its end."),
		metric.WithExplicitBucketBoundaries(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 3600)); err == nil {
		m.saga = h
	}
	return m
}

// ended counts a saga that has ended.
func (m meters) ended(ctx context.Context, from, to table.Row) {
	if !to.Ended() || from.Ended() || !m.saga.Enabled(ctx) {
		return
	}
	m.saga.Record(ctx, max(0, time.Since(time.UnixMilli(from.Created)).Seconds()),
		metric.WithAttributes(attribute.String("muster.saga.name", from.Name), attribute.String("muster.saga.outcome", string(to.State))))
}

// ended tells that a saga has ended, if it has.
func (e *Engine) ended(ctx context.Context, d *plan.Definition, from, to table.Row) {
	e.meters.ended(ctx, from, to)
	if d.Ended != nil && to.Ended() && !from.Ended() {
		d.Ended(to.ID, to.State)
	}
}

// about are what a span says of a saga.
func about(r table.Row) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("muster.saga.name", r.Name), attribute.String("muster.saga.id", r.ID), attribute.String("muster.saga.step", r.Step),
		attribute.Bool("muster.saga.undo", r.Undoing),
	}
}

// attempt makes the span of one try of a step, below what started the saga. end is told
// what it came to.
func (r *run) attempt(at table.Row) (_ context.Context, end func(plan.Outcome, error)) {
	name := "saga " + at.Name + " " + at.Step
	if at.Undoing {
		name += " undo"
	}
	began := time.Now()
	ctx, span := r.tracer.Start(withTrace(r.steps, at.Trace), name, trace.WithTimestamp(began)) //nolint:spancheck // end does
	end = func(o plan.Outcome, err error) {
		outcome := string(o.Kind)
		if err != nil {
			outcome = "lost"
		}
		if span.IsRecording() {
			span.SetAttributes(append(about(at), attribute.Int("muster.saga.attempt", at.Attempts+1), attribute.Int64("muster.saga.fence", at.Fence),
				attribute.String("muster.saga.outcome", outcome))...)
			switch {
			case err != nil:
				span.SetStatus(codes.Error, err.Error())
			case o.Kind == plan.Rejected: // an answer, not a failure
				span.SetAttributes(attribute.String("muster.saga.reason", o.Text))
			case o.Kind != plan.Done && o.Kind != plan.Waits:
				span.SetStatus(codes.Error, o.Text)
			}
		}
		span.End()
		if r.meters.step.Enabled(ctx) {
			r.meters.step.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(attribute.String("muster.saga.name", at.Name),
				attribute.String("muster.saga.step", at.Step), attribute.Bool("muster.saga.undo", at.Undoing), attribute.String("muster.saga.outcome", outcome)))
		}
	}
	return ctx, end //nolint:spancheck // as above
}
