package muster_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/problem"
)

// A handler that panics in the middle of its answer never leaves one that looks whole.
func TestPanicInMidAnswerCutsItOff(t *testing.T) {
	for name, begin := range map[string]func(w http.ResponseWriter){
		"flushed":   func(w http.ResponseWriter) { _, _ = io.WriteString(w, "[1,"); w.(http.Flusher).Flush() },
		"buffered":  func(w http.ResponseWriter) { _, _ = io.WriteString(w, "[1,") },
		"copied":    func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("[1,")) },
		"no body":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"by itself": func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, []muster.Service{{Name: "bad", Run: func(ctx context.Context, app *muster.App) error {
				app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					begin(w)
					panic("the secret cause")
				}))
				return app.Serve(ctx)
			}}})
			res, err := http.Get(r.url("bad", "/"))
			if err == nil {
				var b []byte
				b, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err == nil {
					t.Errorf("a broken answer counts as whole: %s %q", res.Status, b)
				}
			}
			if !strings.Contains(r.logs.String(), "the secret cause") {
				t.Error("the log does not say why")
			}
		})
	}
}

// What only announces an answer does not begin it.
func TestPanicAfterEarlyHintsIsAProblem(t *testing.T) {
	r := start(t, []muster.Service{{Name: "bad", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			panic("boom")
		}))
		return app.Serve(ctx)
	}}})
	if code, body := fetch(t, r.url("bad", "/")); code != 500 || !strings.Contains(body, `"internal"`) {
		t.Errorf("%d %s, want a problem", code, body)
	}
}

func TestOtherMethodOfAKnownPath(t *testing.T) {
	r := start(t, []muster.Service{hello("GET /hello", "hi")})
	res, err := http.Post(r.url("hello", "/hello"), "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var p struct {
		Code   string
		Status int
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" || res.Header.Get("Content-Type") != problem.ContentType || p.Status != 405 {
		t.Errorf("POST of a path that has GET: %s %v %+v", res.Status, res.Header, p)
	}
}

type certificates struct{ server, client *tls.Config }

func (c certificates) Server() *tls.Config       { return c.server }
func (c certificates) Client(string) *tls.Config { return c.client }

// Siblings talk TLS where the fleet does, by both protocols.
func TestSeveralInOneProcessWithTLS(t *testing.T) {
	ts := httptest.NewTLSServer(nil)
	defer ts.Close()
	source := certificates{&tls.Config{Certificates: ts.TLS.Certificates}, &tls.Config{InsecureSkipVerify: true}}
	asked := make(chan error, 1)
	front := muster.Service{Name: "front", Run: func(ctx context.Context, app *muster.App) error {
		app.Go("ask", func(ctx context.Context) error {
			_, err := grpc_health_v1.NewHealthClient(app.Dial("back")).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			res, errHTTP := app.Client("back").Get("http://back/livez")
			if errHTTP == nil {
				_ = res.Body.Close()
			}
			asked <- errors.Join(err, errHTTP)
			return nil
		})
		return app.Serve(ctx)
	}}
	start(t, []muster.Service{front, serves("back")}, muster.TLS(source))
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

// The request id reaches the handlers of calls and of streams.
func TestRequestIDReachesGRPCHandlers(t *testing.T) {
	got := make(chan string, 2)
	r := start(t, []muster.Service{{Name: "hello", Run: func(ctx context.Context, app *muster.App) error {
		registerCall(app.GRPC(), func(ctx context.Context) error { got <- observe.RequestID(ctx); return nil })
		app.GRPC().RegisterService(&grpc.ServiceDesc{ServiceName: "test.Streams", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
			StreamName: "Watch", ServerStreams: true,
			Handler: func(_ any, s grpc.ServerStream) error { got <- observe.RequestID(s.Context()); return nil },
		}}}, struct{}{})
		return app.Serve(ctx)
	}}})
	cc := r.dial(t, "hello")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "abc")
	if err := cc.Invoke(ctx, "/test.Test/Call", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/test.Streams/Watch")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.SendMsg(&emptypb.Empty{}), s.CloseSend()); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"call", "stream"} {
		if id := <-got; id != "abc" {
			t.Errorf("the %s has the request id %q", kind, id)
		}
	}
}
