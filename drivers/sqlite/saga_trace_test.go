package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/sqlite"
)

// The steps of a saga, their tries and their undoing, are spans below what started it, with
// its tracestate; an answer from outside is told by the span that brought it.
func TestSpansOfASaga(t *testing.T) {
	spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+t.TempDir()+"/orders.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := saga.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, tx.Tx, *int) error { return nil }
	tries := 0
	s := &saga.Saga[int]{Name: "checkout", Version: 1, Steps: []saga.Step[int]{
		saga.Remote[int]{Name: "reserve", Undo: func(context.Context, *int) error { return nil }, Do: func(context.Context, *int) error {
			if tries++; tries == 1 {
				return saga.Retry(context.DeadlineExceeded, time.Millisecond)
			}
			return nil
		}},
		saga.Local[int]{Name: "pay", Do: func(context.Context, tx.Tx, *int) error { return saga.Wait }, Undo: nothing},
		saga.Local[int]{Name: "ship", Do: func(context.Context, tx.Tx, *int) error { return saga.Reject("nobody is there") }},
	}}
	var log bytes.Buffer
	engine, err := saga.New(db, saga.Config{
		Traces: traces, Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Log: slog.New(&withTrace{slog.NewTextHandler(&log, nil)}),
	}, s)
	if err != nil {
		t.Fatal(err)
	}
	state, err := trace.ParseTraceState("ot=th:8")
	if err != nil {
		t.Fatal(err)
	}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	}))
	in := func(name string, do func(ctx context.Context, t *sql.Tx) error) trace.SpanContext {
		t.Helper()
		ctx, span := traces.Tracer("test").Start(ctx, name)
		defer span.End()
		if err := tx.Do(ctx, db, do); err != nil {
			t.Fatal(err)
		}
		return span.SpanContext()
	}
	starter := in("start", func(ctx context.Context, t *sql.Tx) error { return s.Start(ctx, t, "o-1", 0) })
	until := func(state saga.State) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; <-time.After(5 * time.Millisecond) {
			d, err := engine.Show(t.Context(), "checkout", "o-1")
			if err != nil {
				t.Fatal(err)
			}
			if d.State == state {
				if want := "00-" + starter.TraceID().String() + "-" + starter.SpanID().String() + "-01"; d.TraceParent != want {
					t.Errorf("the trace that is shown is %q, want %q", d.TraceParent, want)
				}
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is %s at %s, never %s", d.State, d.Step, state)
			}
		}
	}
	run, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(run) }()
	until(saga.Waiting)
	in("answer", func(ctx context.Context, t *sql.Tx) error { return s.Answer(ctx, t, "o-1", "pay", nil, nil) })
	until(saga.Compensated)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, sp := range spans.Ended() {
		name, told := sp.Name(), ""
		for _, a := range sp.Attributes() {
			if a.Key == "muster.saga.outcome" {
				told = " " + a.Value.AsString()
			}
		}
		if strings.HasPrefix(name, "saga ") || name == "answer" {
			got = append(got, name+told+map[bool]string{true: " failed"}[sp.Status().Code == codes.Error])
		}
		if strings.HasPrefix(name, "saga ") && (sp.Parent().SpanID() != starter.SpanID() || sp.SpanContext().TraceState().String() != "ot=th:8") {
			t.Errorf("%s is below %s with %q", name, sp.Parent().SpanID(), sp.SpanContext().TraceState())
		}
	}
	want := []string{
		"saga checkout reserve retry failed", "saga checkout reserve done", "saga checkout pay waits", "answer done",
		"saga checkout ship rejected", "saga checkout pay undo done", "saga checkout reserve undo done",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	if text := log.String(); !strings.Contains(text, "a step failed") || strings.Count(text, starter.TraceID().String()) < 2 {
		t.Errorf("log lines without their trace:\n%s", text)
	}
	counts := map[string]uint64{}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
			for _, p := range h.DataPoints {
				counts[m.Name] += p.Count
			}
		}
	}
	if counts["muster.saga.step.duration"] != 6 || counts["muster.saga.duration"] != 1 {
		t.Errorf("counted %v", counts)
	}
}

// withTrace adds the trace to records, as a service's logger does.
type withTrace struct{ slog.Handler }

func (h *withTrace) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("trace_id", trace.SpanContextFromContext(ctx).TraceID().String()))
	return h.Handler.Handle(ctx, r)
}

func (h *withTrace) WithAttrs(a []slog.Attr) slog.Handler { return &withTrace{h.Handler.WithAttrs(a)} }
