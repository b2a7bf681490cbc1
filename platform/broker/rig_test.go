package broker_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/broker"
)

// patience bounds what a test waits for that is to come.
const patience = 30 * time.Second

// rig is a broker that runs, with other services in the same process.
type rig struct {
	t    *testing.T
	url  string
	once sync.Once
	end  func()
}

func (r *rig) stop() { r.once.Do(r.end) }

// start runs the broker with its files in dir, beside others.
func start(t *testing.T, dir string, cfg broker.Config, others ...muster.Service) *rig {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = filepath.Join(dir, "store")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan int, 1+len(others)), make(chan error, 1)
	env := map[string]string{"DATABASE_URL": "sqlite:" + filepath.Join(dir, "parked.db")}
	go func() {
		ended <- muster.Run(ctx, append([]muster.Service{broker.Service(cfg)}, others...), muster.With(sqlite.Driver),
			muster.Environment(func(name string) (string, bool) { v, ok := env[name]; return v, ok }), muster.LogTo(t.Output()),
			muster.OnReady(func(service string, s muster.Settings) {
				if service != "broker" {
					s.Port = 0
				}
				ready <- s.Port
			}))
	}()
	r := &rig{t: t}
	r.end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for range 1 + len(others) {
		select {
		case port := <-ready:
			if port != 0 {
				r.url = "http://127.0.0.1:" + strconv.Itoa(port)
			}
		case err := <-ended:
			cancel()
			t.Fatalf("the broker did not start: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// ask sends a request and returns status and body.
func (r *rig) ask(method, path, body string, headers ...string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(answer), res.Header
}

// publish posts an event in binary mode; its data is its id.
func (r *rig) publish(topic, id, key string) {
	r.t.Helper()
	status, body, _ := r.ask("POST", "/v1/events", id, "Content-Type", "text/plain", "ce-specversion", "1.0",
		"ce-id", id, "ce-source", "/test", "ce-type", topic, "ce-partitionkey", key)
	if status != http.StatusAccepted {
		r.t.Fatalf("%s %s: %d %s", topic, id, status, body)
	}
}

func (r *rig) subscribe(list ...broker.Subscription) {
	r.t.Helper()
	body, err := json.Marshal(append([]broker.Subscription{}, list...))
	if err != nil {
		r.t.Fatal(err)
	}
	if status, answer, _ := r.ask("PUT", "/v1/subscriptions", string(body)); status != http.StatusOK {
		r.t.Fatalf("subscribe: %d %s", status, answer)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// received is a service that notes what is posted to it, and answers as it is told.
type received struct {
	mu     sync.Mutex
	list   []string // "TOPIC ID"
	times  []time.Time
	answer func(n int, r *http.Request) int // n counts from 1; nil: 204
}

func (s *received) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.list = append(s.list, r.Header.Get("ce-type")+" "+r.Header.Get("ce-id"))
	s.times = append(s.times, time.Now())
	n, answer := len(s.list), s.answer
	s.mu.Unlock()
	status := http.StatusNoContent
	if r.Header.Get("ce-specversion") != "1.0" || string(body) != r.Header.Get("ce-id") || r.URL.Path != "/events" {
		status = http.StatusTeapot
	} else if answer != nil {
		status = answer(n, r)
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "2")
	}
	w.WriteHeader(status)
}

func (s *received) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.list...)
}

func (s *received) service(name string) muster.Service {
	return muster.Service{Name: name, Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", s)
		return app.Serve(ctx)
	}}
}

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }
