// Package otlp sends a service's traces and metrics to any OTLP backend over
// HTTP. It is a module of its own because the official exporters bring many more;
// a service passes [Driver] to muster.With and sets OTEL_EXPORTER_OTLP_ENDPOINT.
package otlp

import (
	"context"
	"fmt"

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
	// The exporters read OTEL_EXPORTER_OTLP_ENDPOINT themselves and add the signal's
	// path; an endpoint given in code is used as it stands, so the path is added here.
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"))
	if err != nil {
		return nil, nil, fmt.Errorf("OTLP traces to %s: %w", endpoint, err)
	}
	metrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(endpoint+"/v1/metrics"))
	if err != nil {
		return nil, nil, fmt.Errorf("OTLP metrics to %s: %w", endpoint, err)
	}
	return spans, metrics, nil
}
