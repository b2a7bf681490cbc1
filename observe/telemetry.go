// Package observe gives a service its traces, metrics, logs and probes, in the
// field's own types: OpenTelemetry providers, *slog.Logger, http.Handler.
package observe

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
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

	Log   io.Writer  // where log records go, as JSON lines; nil: nowhere
	Level slog.Level // lowest level that is logged
}

// Telemetry holds the providers of one process. It is safe for concurrent use.
type Telemetry struct {
	Logger *slog.Logger
	Traces trace.TracerProvider
	Meters metric.MeterProvider

	propagator propagation.TextMapPropagator
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
		return t, nil
	}
	spans, metrics, err := cfg.Exporter.Export(ctx, cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	t.Traces, t.Meters = traces, meters
	t.shutdown = append(t.shutdown, traces.Shutdown, meters.Shutdown)
	return t, nil
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

// Handler makes a span and the server metrics of each request, and takes its
// request id into the context.
func (t *Telemetry) Handler(next http.Handler) http.Handler {
	return otelhttp.NewHandler(receiveRequestID(next), "http.server",
		otelhttp.WithTracerProvider(t.Traces), otelhttp.WithMeterProvider(t.Meters), otelhttp.WithPropagators(t.propagator),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			if r.Pattern != "" {
				return r.Pattern
			}
			return r.Method
		}))
}

// Transport makes a span of each call and passes trace and request id on.
func (t *Telemetry) Transport(next http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(sendRequestID{next},
		otelhttp.WithTracerProvider(t.Traces), otelhttp.WithMeterProvider(t.Meters), otelhttp.WithPropagators(t.propagator))
}

// ServerStats is the grpc-go stats handler of a server.
func (t *Telemetry) ServerStats() stats.Handler {
	return otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(t.Traces), otelgrpc.WithMeterProvider(t.Meters), otelgrpc.WithPropagators(t.propagator))
}

// DialOptions are the grpc-go options of a client: spans, metrics, request ids.
func (t *Telemetry) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelgrpc.WithTracerProvider(t.Traces), otelgrpc.WithMeterProvider(t.Meters), otelgrpc.WithPropagators(t.propagator))),
		grpc.WithChainUnaryInterceptor(unarySendRequestID),
		grpc.WithChainStreamInterceptor(streamSendRequestID),
	}
}
