package muster_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/musterdev/muster"
)

type brokenExporter struct{}

func (brokenExporter) Name() string { return "broken" }
func (brokenExporter) Export(context.Context, string) (sdktrace.SpanExporter, sdkmetric.Exporter, error) {
	return nil, nil, errors.New("no exporter")
}

// A service whose telemetry cannot start never begins; its siblings do not wait for it.
func TestTelemetryFailsAtOnce(t *testing.T) {
	began := time.Now()
	err := muster.Run(t.Context(), []muster.Service{serves("one"), serves("two")}, muster.LogTo(io.Discard),
		muster.With(brokenExporter{}), env("TWO_OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"))
	if err == nil || !strings.Contains(err.Error(), `service "two": telemetry: no exporter`) {
		t.Errorf("Run = %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to tell", took)
	}
}

// waitingDriver opens no database before it is told to give up.
type waitingDriver struct{ opening chan struct{} }

func (waitingDriver) Name() string      { return "waiting" }
func (waitingDriver) Schemes() []string { return []string{"waiting"} }
func (d waitingDriver) Open(ctx context.Context, _ string) (*sql.DB, error) {
	close(d.opening)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(20 * time.Second):
		return nil, errors.New("nobody told it to give up")
	}
}

// A service that waits for its database hears that it is to end; that is no failure.
func TestOpeningADatabaseEndsWithRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := waitingDriver{make(chan struct{})}
	go func() { <-d.opening; cancel() }()
	err := muster.Run(ctx, []muster.Service{{Name: "one", Run: func(ctx context.Context, app *muster.App) error {
		if _, err := app.DB(); err != nil {
			return err
		}
		return app.Serve(ctx)
	}}}, muster.LogTo(io.Discard), muster.With(d), env("DATABASE_URL", "waiting:x"))
	if err != nil {
		t.Errorf("Run = %v", err)
	}
}

// There is one registry and one state folder for a process; a second is refused, not ignored.
func TestServicesOfAProcessShareTheRegistry(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // accepted, they would serve
	defer cancel()
	for _, variable := range []string{"MUSTER_REGISTRY_URL", "MUSTER_STATE_DIR"} {
		err := muster.Run(ctx, []muster.Service{serves("cart"), serves("orders")}, muster.LogTo(io.Discard),
			env(variable, "http://127.0.0.1:1", "ORDERS_"+variable, "http://127.0.0.1:2"))
		want := variable + ` is "http://127.0.0.1:1" for "cart" but "http://127.0.0.1:2" for "orders"`
		if !errors.Is(err, muster.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("Run = %v, want a configuration error with %q", err, want)
		}
	}
}
