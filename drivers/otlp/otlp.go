// Package otlp sends a service's traces and metrics to any OTLP backend over
// HTTP. It is a module of its own because the official exporters bring many more;
// a service passes [Driver] to muster.With and sets OTEL_EXPORTER_OTLP_ENDPOINT.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

type driver struct{}

// Driver is the exporter, to be passed to muster.With. It has no state.
var Driver driver

// Name returns "otlp".
func (driver) Name() string { return "otlp" }

// Export returns exporters to endpoint, a base URL such as http://127.0.0.1:4318.
// Headers, TLS, compression and timeouts come from the OTEL_EXPORTER_OTLP_*
// variables (OpenTelemetry specification, "Protocol Exporter").
func (driver) Export(ctx context.Context, endpoint string) (sdktrace.SpanExporter, sdkmetric.Exporter, error) {
	// One loop tries again, the queue of package spans: it knows how much waits. Metrics are
	// cumulative, so the next ones have what these did not bring.
	// The exporters read OTEL_EXPORTER_OTLP_ENDPOINT themselves and add the signal's
	// path; an endpoint given in code is used as it stands, so the path is added here.
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil {
		return nil, nil, fmt.Errorf("OTLP traces to %s: %w", endpoint, err)
	}
	metrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(endpoint+"/v1/metrics"), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
	if err != nil {
		return nil, nil, fmt.Errorf("OTLP metrics to %s: %w", endpoint, err)
	}
	return judged{spans}, readableMetrics{metrics}, nil
}

// judged tells which errors trying again does not help against.
type judged struct{ sdktrace.SpanExporter }

// ExportSpans sends spans. An error that is final has a method Permanent() bool.
func (j judged) ExportSpans(ctx context.Context, list []sdktrace.ReadOnlySpan) error {
	err := j.SpanExporter.ExportSpans(ctx, readable(list))
	switch {
	case err == nil, !final(err):
		return err
	case strings.Contains(err.Error(), "partial success"): // the backend took the rest, and counts what it refused
		return nil
	}
	return permanent{err}
}

// final reports whether a backend refused what it was sent (OTLP specification, "Failures"),
// or it could not be sent at all. The exporter has no errors to tell by: what is known to
// pass is the network's, and what it calls retryable itself.
func final(err error) bool {
	if _, network := errors.AsType[*url.Error](err); network || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	return !strings.Contains(err.Error(), "retry-able")
}

type permanent struct{ error }

// Permanent returns true.
func (permanent) Permanent() bool { return true }

// Unwrap returns the cause.
func (p permanent) Unwrap() error { return p.error }
