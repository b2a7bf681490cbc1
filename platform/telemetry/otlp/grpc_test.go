package otlp_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	driver "github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// dial serves r over gRPC and returns a connection to it.
func dial(t *testing.T, r *otlp.Receiver, opts ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(opts...)
	r.Register(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// One port may serve gRPC and HTTP: the server's ServeHTTP does both.
func TestGRPCBesideHTTP(t *testing.T) {
	var k keeper
	r := receiver(&k)
	g := grpc.NewServer()
	r.Register(g)
	plain := r.Handler()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.ProtoMajor == 2 && req.Header.Get("Content-Type") == "application/grpc" {
			g.ServeHTTP(w, req)
			return
		}
		plain.ServeHTTP(w, req)
	}))
	srv.Config.Protocols = &http.Protocols{}
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	conn, err := grpc.NewClient(srv.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := collecttrace.NewTraceServiceClient(conn).Export(t.Context(), traces("shop", span(1)), grpc.UseCompressor(gzip.Name)); err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(srv.URL+"/v1/traces", pb, bytes.NewReader(raw(t, traces("shop", span(2)))))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if spans, _ := k.kept(); len(spans) != 2 || res.StatusCode != http.StatusOK {
		t.Errorf("%s, spans %v", res.Status, spans)
	}
}

func TestGRPC(t *testing.T) {
	var k keeper
	r := receiver(&k)
	points := 0
	r.Metrics = func(_ context.Context, req *collectmetrics.ExportMetricsServiceRequest) (int64, string, error) {
		points += len(req.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].GetGauge().DataPoints)
		return 0, "", nil
	}
	var seen []string
	conn := dial(t, r, grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		seen = append(seen, info.FullMethod)
		return next(ctx, req)
	}))
	ctx := t.Context()
	spans := collecttrace.NewTraceServiceClient(conn)
	bad := span(2)
	bad.SpanId = nil
	res, err := spans.Export(ctx, traces("shop", span(1), bad), grpc.UseCompressor(gzip.Name))
	if err != nil || res.GetPartialSuccess().GetRejectedSpans() != 1 {
		t.Fatalf("%v, %v", res, err)
	}
	rm := gauge("shop", 1)
	rm.ScopeMetrics[0].Metrics[0].GetGauge().DataPoints[0] = &metricspb.NumberDataPoint{}
	if _, err := collectmetrics.NewMetricsServiceClient(conn).Export(ctx, &collectmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{rm}}); err != nil {
		t.Fatal(err)
	}
	if _, err := collectlogs.NewLogsServiceClient(conn).Export(ctx, &collectlogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		Resource: resource("shop"), ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{Body: str("hello")}}}},
	}}}); err != nil {
		t.Fatal(err)
	}
	gotSpans, gotLogs := k.kept()
	if len(gotSpans) != 1 || gotSpans[0].Service != "shop" || len(gotLogs) != 1 || gotLogs[0].Body != "hello" || points != 1 {
		t.Errorf("spans %v, logs %v, points %d", gotSpans, gotLogs, points)
	}
	if want := []string{
		"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
		"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
		"/opentelemetry.proto.collector.logs.v1.LogsService/Export",
	}; !slices.Equal(seen, want) {
		t.Errorf("interceptor saw %q", seen)
	}
	balanced(t, r.Counts())
}

// What is to be sent again says so with RetryInfo; what is lost, or wrong, does not.
func TestGRPCRefusals(t *testing.T) {
	var k keeper
	r := receiver(&k)
	conn := dial(t, r)
	client := collecttrace.NewTraceServiceClient(conn)
	for _, tt := range []struct {
		err   error
		code  codes.Code
		retry time.Duration
	}{
		{signal.ErrFull, codes.Unavailable, 5 * time.Second},
		{problem.New(problem.ResourceExhausted, "busy").WithRetryAfter(2 * time.Second), codes.ResourceExhausted, 2 * time.Second},
		{http.ErrAbortHandler, codes.Internal, 0},
	} {
		k.fail(tt.err)
		_, err := client.Export(t.Context(), traces("shop", span(1)))
		st := status.Convert(err)
		var retry time.Duration
		for _, d := range st.Details() {
			if info, ok := d.(*errdetails.RetryInfo); ok {
				retry = info.RetryDelay.AsDuration()
			}
		}
		if st.Code() != tt.code || retry != tt.retry {
			t.Errorf("%v: answered %v, retry after %v", tt.err, err, retry)
		}
	}
	if _, err := collectmetrics.NewMetricsServiceClient(conn).Export(t.Context(), &collectmetrics.ExportMetricsServiceRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("metrics without a sink: %v", err)
	}
	balanced(t, r.Counts())
}

// The library's own exporter, which is OpenTelemetry's, is understood.
func TestLibraryExporter(t *testing.T) {
	var k keeper
	r := &otlp.Receiver{Sink: k.Sink}
	var names []string
	r.Metrics = func(_ context.Context, req *collectmetrics.ExportMetricsServiceRequest) (int64, string, error) {
		for _, sm := range req.ResourceMetrics[0].ScopeMetrics {
			for _, m := range sm.Metrics {
				names = append(names, m.Name)
			}
		}
		return 0, "", nil
	}
	srv := httptest.NewServer(r.Handler())
	defer srv.Close()
	tel, err := observe.Start(t.Context(), observe.Config{Service: "orders", Instance: "orders-1", Exporter: driver.Driver, Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, parent := tel.Traces.Tracer("test").Start(t.Context(), "place order")
	_, child := tel.Traces.Tracer("test").Start(ctx, "reserve")
	child.End()
	parent.End()
	counter, err := tel.Meters.Meter("test").Int64Counter("orders")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	spans, _ := k.kept()
	if len(spans) != 2 || spans[0].Parent != spans[1].ID || spans[0].Trace != spans[1].Trace || spans[1].Name != "place order" ||
		spans[1].Service != "orders" || spans[1].Scope != "test" || spans[1].Resource.Text("service.instance.id") != "orders-1" {
		t.Errorf("spans %+v", spans)
	}
	if !slices.Contains(names, "orders") {
		t.Errorf("metrics %q", names)
	}
	balanced(t, r.Counts())
}
