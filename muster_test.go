package muster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/problem"
)

// env is an environment that holds only these variables.
func env(pairs ...string) muster.Option {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return muster.Environment(func(name string) (string, bool) { v, ok := m[name]; return v, ok })
}

// running is services that run until the test ends them.
type running struct {
	settings map[string]muster.Settings
	logs     *logBuffer
	end      func() error // asks them to end and returns Run's error
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, services []muster.Service, opts ...muster.Option) *running {
	t.Helper()
	r := &running{settings: map[string]muster.Settings{}, logs: &logBuffer{}}
	var mu sync.Mutex
	ready := make(chan struct{}, len(services))
	opts = append([]muster.Option{env(), muster.LogTo(r.logs), muster.OnReady(func(name string, s muster.Settings) {
		mu.Lock()
		r.settings[name] = s
		mu.Unlock()
		ready <- struct{}{}
	})}, opts...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- muster.Run(ctx, services, opts...) }()
	for range services {
		select {
		case <-ready:
		case err := <-ended:
			t.Fatalf("ended before it was ready: %v", err)
		}
	}
	r.end = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = r.end() })
	return r
}

func (r *running) url(service, path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", r.settings[service].Port, path)
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func hello(path, text string) muster.Service {
	return muster.Service{Name: "hello", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
		return app.Serve(ctx)
	}}
}

func TestServesProbesAndHandlers(t *testing.T) {
	r := start(t, []muster.Service{hello("GET /hello", "hi")})
	for path, want := range map[string]int{"/hello": 200, "/livez": 200, "/readyz": 200, "/startupz": 200, "/nothing": 404} {
		if code, body := fetch(t, r.url("hello", path)); code != want {
			t.Errorf("GET %s = %d %s, want %d", path, code, body, want)
		}
	}
	_, body := fetch(t, r.url("hello", "/nothing"))
	var p struct{ Code string }
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code != string(problem.NotFound) {
		t.Errorf("an unknown path answers %s, want a problem with code not_found", body)
	}
	cc, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", r.settings["hello"].GRPCPort), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	res, err := grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || res.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("gRPC health: %v %v", res, err)
	}
	if err := r.end(); err != nil {
		t.Errorf("Run = %v after a drain, want nil", err)
	}
}

// A request in flight when the service is asked to end gets its answer.
func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, []muster.Service{{Name: "slow", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "whole")
		}))
		return app.Serve(ctx)
	}}})
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get(r.url("slow", "/"))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- r.end() }()
	waitUntil(t, func() bool { return strings.Contains(r.logs.String(), `"draining"`) })
	close(release)
	if got := <-answer; got != "whole" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Services in one process call each other without a network, by both protocols.
func TestSeveralInOneProcess(t *testing.T) {
	remote := make(chan string, 2)
	stock := muster.Service{Name: "stock", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/level", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			remote <- r.RemoteAddr
			_, _ = io.WriteString(w, "7")
		}))
		return app.Serve(ctx)
	}}
	orders := muster.Service{Name: "orders", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			req, err := http.NewRequestWithContext(r.Context(), "GET", "http://stock/level", nil)
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			res, err := app.Client("stock").Do(req)
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			defer res.Body.Close()
			if _, err := grpc_health_v1.NewHealthClient(app.Dial("stock")).Check(r.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
				problem.Write(w, r, err)
				return
			}
			_, _ = io.Copy(w, res.Body)
		}))
		return app.Serve(ctx)
	}}
	r := start(t, []muster.Service{stock, orders})
	if code, body := fetch(t, r.url("orders", "/")); code != 200 || body != "7" {
		t.Fatalf("orders answered %d %s", code, body)
	}
	if from := <-remote; from != "bufconn" {
		t.Errorf("stock was called from %q, want the in-memory listener", from)
	}
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

func TestPanicBecomesAProblem(t *testing.T) {
	r := start(t, []muster.Service{{Name: "bad", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the secret cause") }))
		return app.Serve(ctx)
	}}})
	code, body := fetch(t, r.url("bad", "/"))
	if code != 500 || strings.Contains(body, "secret") {
		t.Errorf("%d %s: want a 500 that tells nothing", code, body)
	}
	if !strings.Contains(r.logs.String(), "the secret cause") {
		t.Error("the log does not say why")
	}
}

func TestWorkers(t *testing.T) {
	broken := errors.New("the queue is gone")
	began := make(chan struct{})
	err := muster.Run(t.Context(), []muster.Service{{Name: "w", Run: func(ctx context.Context, app *muster.App) error {
		app.Go("sweeper", func(ctx context.Context) error { close(began); <-ctx.Done(); return ctx.Err() })
		app.Go("consumer", func(context.Context) error { <-began; return broken })
		return app.Serve(ctx)
	}}}, env(), muster.LogTo(io.Discard))
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), `worker "consumer"`) {
		t.Errorf("err = %v", err)
	}
}

func TestBadSettings(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	for name, test := range map[string]struct {
		env    []string
		want   string
		config bool
	}{
		"port not a number":  {[]string{"PORT", "http"}, `PORT is "http": it must be a whole number from 0 to 65535`, true},
		"port out of range":  {[]string{"GRPC_PORT", "70000"}, `GRPC_PORT is "70000"`, true},
		"port taken":         {[]string{"PORT", taken}, "PORT=" + taken, false},
		"log level":          {[]string{"MUSTER_LOG_LEVEL", "loud"}, `MUSTER_LOG_LEVEL is "loud": it must be debug, info, warn or error`, true},
		"registry no URL":    {[]string{"MUSTER_REGISTRY_URL", "localhost"}, `MUSTER_REGISTRY_URL is "localhost"`, true},
		"another service":    {[]string{"MUSTER_SERVICE", "cart"}, `MUSTER_SERVICE is "cart" but this program is the service "hello"`, true},
		"config file absent": {[]string{"MUSTER_CONFIG", "/nowhere.yaml"}, `MUSTER_CONFIG names /nowhere.yaml`, true},
		"weight":             {[]string{"MUSTER_WEIGHT", "0"}, `MUSTER_WEIGHT is "0"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := muster.Run(t.Context(), []muster.Service{hello("/", "")}, env(test.env...), muster.LogTo(io.Discard))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("err = %v, want one line with %q", err, test.want)
			}
			if errors.Is(err, muster.ErrConfig) != test.config {
				t.Errorf("errors.Is(err, ErrConfig) = %v", !test.config)
			}
		})
	}
}

func TestBadServices(t *testing.T) {
	run := func(ctx context.Context, app *muster.App) error { return app.Serve(ctx) }
	for name, list := range map[string][]muster.Service{
		"none": nil, "no Run": {{Name: "a"}}, "twice": {{Name: "a", Run: run}, {Name: "a", Run: run}}, "bad name": {{Name: "A_b", Run: run}},
	} {
		if err := muster.Run(t.Context(), list, env()); !errors.Is(err, muster.ErrConfig) {
			t.Errorf("%s: err = %v, want a configuration error", name, err)
		}
	}
}

func TestDatabaseNeedsADriver(t *testing.T) {
	for url, want := range map[string]string{
		"":                 "DATABASE_URL is not set",
		"orders.db":        "DATABASE_URL has no scheme",
		"oracle://x":       "without a database driver",
		"sqlite:orders.db": "without a database driver",
	} {
		err := muster.Run(t.Context(), []muster.Service{{Name: "a", Run: func(_ context.Context, app *muster.App) error {
			_, err := app.DB()
			return err
		}}}, env("DATABASE_URL", url), muster.LogTo(io.Discard))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
	}
}

func TestServeTwice(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := muster.Run(ctx, []muster.Service{{Name: "a", Run: func(ctx context.Context, app *muster.App) error {
		if err := app.Serve(ctx); err != nil {
			return err
		}
		return app.Serve(ctx)
	}}}, env(), muster.LogTo(io.Discard))
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("err = %v", err)
	}
}

type brokenHandler struct{ http.Handler }

func (brokenHandler) Err() error { return errors.New("an operation that cannot be") }

func TestBrokenHandlerFailsAtStart(t *testing.T) {
	err := muster.Run(t.Context(), []muster.Service{{Name: "a", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", brokenHandler{http.NotFoundHandler()})
		return app.Serve(ctx)
	}}}, env(), muster.LogTo(io.Discard))
	if err == nil || !strings.Contains(err.Error(), `the handler of "/": an operation that cannot be`) {
		t.Errorf("err = %v", err)
	}
}

// waitUntil polls a condition that another goroutine brings about.
func waitUntil(t *testing.T, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the condition never came true")
		}
	}
}
