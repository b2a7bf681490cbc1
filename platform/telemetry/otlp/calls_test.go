package otlp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Calls that are too many are sent back before anything of them is read, and those that
// have ended make room, whichever way a server is served.
func TestCallsAreBounded(t *testing.T) {
	for name, connect := range map[string]func(*testing.T, *otlp.Receiver) *grpc.ClientConn{
		"alone": func(t *testing.T, r *otlp.Receiver) *grpc.ClientConn { return dial(t, r, r.ServerOptions()...) },
		"beside HTTP": func(t *testing.T, r *otlp.Receiver) *grpc.ClientConn {
			g := grpc.NewServer(r.ServerOptions()...)
			r.Register(g)
			srv := httptest.NewUnstartedServer(r.Bounded(g))
			srv.Config.Protocols = &http.Protocols{}
			srv.Config.Protocols.SetUnencryptedHTTP2(true)
			srv.Start()
			t.Cleanup(srv.Close)
			conn, err := grpc.NewClient(srv.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		},
	} {
		t.Run(name, func(t *testing.T) {
			entered, leave := make(chan struct{}), make(chan struct{})
			r := &otlp.Receiver{Now: func() time.Time { return noon }, Limits: otlp.Limits{Calls: 2}, Sink: func(context.Context, signal.Batch) error {
				entered <- struct{}{}
				<-leave
				return nil
			}}
			spans := collecttrace.NewTraceServiceClient(connect(t, r))
			ended := make(chan error)
			call := func() {
				_, err := spans.Export(t.Context(), traces("shop", span(1)))
				ended <- err
			}
			for round := range 3 {
				for range 2 {
					go call()
					<-entered
				}
				if _, err := spans.Export(t.Context(), traces("shop", span(2))); status.Code(err) != codes.Unavailable {
					t.Errorf("round %d: one too many: %v", round, err)
				}
				for range 2 {
					leave <- struct{}{}
					if err := <-ended; err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				}
				for deadline := time.Now().Add(10 * time.Second); r.UnderWay() > 0 && time.Now().Before(deadline); {
					<-time.After(time.Millisecond) // the answer is there a moment before the call has ended
				}
			}
			if n := r.Counts().Requests["throttled"]; n != 3 {
				t.Errorf("%d were throttled, want 3", n)
			}
		})
	}
}
