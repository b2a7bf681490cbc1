// Package otlp sends a service's traces and metrics to any OTLP backend over
// HTTP. It is a module of its own because the official exporters bring many more;
// a service passes [Driver] to muster.With and sets OTEL_EXPORTER_OTLP_ENDPOINT.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"time"

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
	case err == nil:
		return nil
	case !final(err):
		if after := asked(err); after > 0 {
			return later{err, after}
		}
		return err
	case named(err, "PartialSuccess").IsValid(): // the backend took the rest, and counts what it refused
		return nil
	}
	return permanent{err}
}

// final reports whether a backend refused what it was sent (OTLP specification, "Failures"),
// or it could not be sent at all. What is known to pass is the network's, and what the
// exporter calls retryable itself.
func final(err error) bool {
	if _, network := errors.AsType[*url.Error](err); network || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	return !named(err, retryable).IsValid()
}

// later is an error of a backend that asks to be left alone for a time.
type later struct {
	error
	after time.Duration
}

// RetryAfter returns that time.
func (l later) RetryAfter() time.Duration { return l.after }

// Unwrap returns the cause.
func (l later) Unwrap() error { return l.error }

// retryable is the exporter's error of what may be sent again.
const retryable = "retryableError"

// asked returns how long the backend's Retry-After asks to wait, 0 where it does not.
func asked(err error) time.Duration {
	if v := named(err, retryable); v.IsValid() {
		if f := v.FieldByName("throttle"); f.IsValid() && f.Type() == reflect.TypeFor[time.Duration]() {
			return time.Duration(f.Int())
		}
	}
	return 0
}

// named finds the error among those that err wraps whose type has that name. The exporter
// exports none of its own; their texts hold what the backend said, which may be anything.
func named(err error, name string) reflect.Value {
	v := reflect.ValueOf(err)
	if err == nil || v.Kind() == reflect.Struct && v.Type().Name() == name {
		return v
	}
	switch w := err.(type) { //nolint:errorlint // the tree is walked
	case interface{ Unwrap() error }:
		return named(w.Unwrap(), name)
	case interface{ Unwrap() []error }:
		for _, one := range w.Unwrap() {
			if found := named(one, name); found.IsValid() {
				return found
			}
		}
	}
	return reflect.Value{}
}

type permanent struct{ error }

// Permanent returns true.
func (permanent) Permanent() bool { return true }

// Unwrap returns the cause.
func (p permanent) Unwrap() error { return p.error }
