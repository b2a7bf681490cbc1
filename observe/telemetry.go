// Package observe gives a service its traces, metrics, logs and probes, in the
// field's own types: OpenTelemetry providers, *slog.Logger, http.Handler.
package observe

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe/spans"
)

// Exporter carries telemetry out of the process. drivers/otlp has one for any
// OTLP backend.
type Exporter interface {
	// Export returns the two exporters for an endpoint as in
	// OTEL_EXPORTER_OTLP_ENDPOINT; further settings come from the OTEL_* variables.
	Export(ctx context.Context, endpoint string) (sdktrace.SpanExporter, sdkmetric.Exporter, error)
}

// Config names the process whose telemetry it is and where it goes.
type Config struct {
	Service, Instance, Version, Zone string

	Exporter Exporter // nil: nothing leaves the process
	Endpoint string   // OTLP endpoint; "" means nothing leaves the process

	// Sampler decides which traces are recorded; nil: the one that OTEL_TRACES_SAMPLER
	// names, else a [spans.Sampler] that keeps what fails or is slow besides.
	Sampler sdktrace.Sampler
	// Slow is the duration from which a request is kept although its trace is not sampled.
	// 0 means [spans.Slow], negative that none is.
	Slow time.Duration
	// Env reads OTEL_TRACES_SAMPLER and its _ARG; nil: os.LookupEnv.
	Env func(name string) (value string, ok bool)

	Log   io.Writer  // where log records go, as JSON lines; nil: nowhere
	Level slog.Level // lowest level that is logged
}

// Telemetry holds the providers of one process. It is safe for concurrent use.
type Telemetry struct {
	Logger *slog.Logger
	Traces trace.TracerProvider
	Meters metric.MeterProvider

	propagator propagation.TextMapPropagator
	silent     bool // nothing leaves the process
	shutdown   []func(context.Context) error
}

// NewLogger returns a logger of JSON lines to w, nil for nowhere, that adds the trace
// and request id of a record's context.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	if w == nil {
		w = io.Discard
	}
	return slog.New(&contextHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

// Start makes the providers. Without an exporter trace ids are still made and
// passed on, so that log lines of one request can be joined; spans are not recorded.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	t := &Telemetry{
		Logger:     NewLogger(cfg.Log, cfg.Level).With("service", cfg.Service, "instance", cfg.Instance),
		propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	res, err := resource.New(ctx, resource.WithAttributes(cfg.attributes()...), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, err
	}
	if cfg.Exporter == nil || cfg.Endpoint == "" {
		t.Traces = sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(sdktrace.NeverSample()))
		t.Meters = sdkmetric.NewMeterProvider(sdkmetric.WithResource(res))
		t.silent = true
		return t, nil
	}
	out, metrics, err := cfg.Exporter.Export(ctx, cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	keeper := spans.NewKeeper(spans.NewQueue(out, t.Logger), cfg.Slow)
	traces := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSpanProcessor(keeper), sdktrace.WithRawSpanLimits(limits()), sdktrace.WithSampler(cfg.sampler(keeper, t.Logger)))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(
		sdkmetric.NewPeriodicReader(&toldOnce{Exporter: metrics, log: t.Logger}, sdkmetric.WithInterval(metricsEvery))))
	t.Traces, t.Meters = traces, meters
	if err := watchProcess(meters, time.Now()); err != nil {
		t.Logger.Warn("what the process uses is not told", "error", err) // the names are ours: it cannot be
	}
	t.shutdown = append(t.shutdown, traces.Shutdown, meters.Shutdown)
	return t, nil
}

// limits are those of OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT and its like (OpenTelemetry
// specification, "Span Limits"), but never none: spans wait in memory while they cannot be sent.
func limits() sdktrace.SpanLimits {
	l := sdktrace.NewSpanLimits()
	if l.AttributeValueLengthLimit < 0 {
		l.AttributeValueLengthLimit = maxText
	}
	return l
}

// metricsEvery is how often metrics are sent.
const metricsEvery = 5 * time.Second

func (cfg Config) sampler(keeper *spans.Keeper, log *slog.Logger) sdktrace.Sampler {
	if cfg.Sampler != nil {
		return cfg.Sampler
	}
	env := cfg.Env
	if env == nil {
		env = os.LookupEnv
	}
	name, _ := env("OTEL_TRACES_SAMPLER")
	arg, _ := env("OTEL_TRACES_SAMPLER_ARG")
	named, err := spans.Named(name, arg)
	if err != nil { // as OpenTelemetry has it: telemetry is no reason not to run
		log.Warn("the sampler of traces is not what the environment says", "error", err)
	}
	if named == nil {
		named = spans.NewSampler(0, keeper, nil)
	}
	return named
}

// toldOnce logs that metrics cannot be sent, and that they can again. They are cumulative:
// the next ones have what these did not bring.
type toldOnce struct {
	sdkmetric.Exporter
	log *slog.Logger

	mu      sync.Mutex
	failing int
}

func (e *toldOnce) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	err := e.Exporter.Export(ctx, m)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil && e.failing > 1:
		e.log.Info("metrics are sent again", "failures", e.failing)
		e.failing = 0
	case err == nil:
		e.failing = 0
	default:
		if e.failing++; e.failing == 2 { // one is nothing: a backend that restarts
			e.log.Warn("metrics cannot be sent; it is tried again", "error", err, "every", metricsEvery.String())
		}
	}
	return nil // the SDK would print it
}

// attributes name the process by OpenTelemetry's semantic conventions.
func (cfg Config) attributes() []attribute.KeyValue {
	var out []attribute.KeyValue
	for key, value := range map[attribute.Key]string{
		"service.name": cfg.Service, "service.instance.id": cfg.Instance,
		"service.version": cfg.Version, "cloud.availability_zone": cfg.Zone,
	} {
		if value != "" {
			out = append(out, key.String(value))
		}
	}
	return out
}

// Shutdown sends what is still buffered, bounded by ctx.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, stop := range t.shutdown {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}
