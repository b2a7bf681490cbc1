package mustertest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/mustertest"
)

var notes = muster.Service{
	Name: "notes",
	Migrations: fstest.MapFS{"00001_notes.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);\n-- +goose Down\nDROP TABLE notes;\n")}},
	Run: func(ctx context.Context, app *muster.App) error {
		db, err := app.DB()
		if err != nil {
			return err
		}
		app.Handle("POST /notes", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			if _, err := db.ExecContext(r.Context(), "INSERT INTO notes (text) VALUES ($1)", string(text)); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusCreated)
		}))
		return app.Serve(ctx)
	},
}

var front = muster.Service{Name: "front", Run: func(ctx context.Context, app *muster.App) error {
	app.Handle("GET /front", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := grpc_health_v1.NewHealthClient(app.Dial("notes")).Check(r.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprint(w, res.Status)
	}))
	return app.Serve(ctx)
}}

func TestFleet(t *testing.T) {
	f := mustertest.Start(t, notes, front)
	f.Route("/notes", "notes")
	f.Route("/front", "front")

	res, err := http.Post(f.Edge()+"/notes", "text/plain", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		t.Errorf("POST through the edge: %s", res.Status)
	}
	var n int
	if err := f.DB("notes").QueryRowContext(t.Context(), "SELECT count(*) FROM notes").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d notes, %v; want 1", n, err)
	}
	for name, get := range map[string]func() (*http.Response, error){
		"edge":    func() (*http.Response, error) { return http.Get(f.Edge() + "/front") },
		"itself":  func() (*http.Response, error) { return http.Get(f.URL("front") + "/front") },
		"by name": func() (*http.Response, error) { return f.Client("front").Get("http://front/front") },
	} {
		res, err := get()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(body) != "SERVING" {
			t.Errorf("%s: %s %s", name, res.Status, body)
		}
	}
	if _, err := grpc_health_v1.NewHealthClient(f.Dial("notes")).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
}

// recorder is a testing.TB that fails without ending the real test.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(r)
}

// A service that cannot start fails the test with its reason.
func TestStartFails(t *testing.T) {
	r := &recorder{TB: t}
	defer func() {
		if recover() != r || r.failed == "" {
			t.Errorf("the test did not fail")
		}
	}()
	broken := muster.Service{Name: "broken", Run: func(context.Context, *muster.App) error { return fmt.Errorf("no luck") }}
	mustertest.Start(r, broken)
	t.Error("Start returned")
}

func ExampleStart() { //nolint:testableexamples // it needs a running test
	// In a test of a service:
	test := func(t *testing.T) {
		fleet := mustertest.Start(t, notes, front)
		fleet.Route("/notes", "notes")
		res, err := http.Post(fleet.Edge()+"/notes", "text/plain", http.NoBody)
		if err != nil || res.StatusCode != http.StatusCreated {
			t.Errorf("%v %v", res, err)
		}
	}
	_ = test
}

// deep is a testing.TB whose folder is, as by a long name, too deep for a unix socket.
type deep struct{ testing.TB }

func (d deep) TempDir() string {
	d.Helper()
	path := filepath.Join(d.TB.TempDir(), strings.Repeat("deep", 30))
	if err := os.MkdirAll(path, 0o700); err != nil {
		d.Fatal(err)
	}
	return path
}

func TestStartWhateverTheNameOfTheTest(t *testing.T) {
	mustertest.Start(deep{t}, notes)
}

// ending is a testing.TB whose cleanups run at end, and that keeps what is logged.
type ending struct {
	testing.TB
	cleanups []func()
	log      strings.Builder
}

func (e *ending) Cleanup(f func())                { e.cleanups = append(e.cleanups, f) }
func (e *ending) Failed() bool                    { return true } // so that the logs are told
func (e *ending) Logf(format string, args ...any) { fmt.Fprintf(&e.log, format, args...) }
func (e *ending) end() {
	for _, f := range slices.Backward(e.cleanups) {
		f()
	}
}

// The registry is the last to end: all others can leave it.
func TestTheEndOfAFleetIsQuiet(t *testing.T) {
	e := &ending{TB: t}
	mustertest.Start(e, notes, front)
	e.end()
	log := e.log.String()
	if !strings.Contains(log, "draining") || strings.Contains(log, "WARN") || strings.Contains(log, "deregistered") {
		t.Errorf("an end without a fault logged:\n%s", log)
	}
}

// A service alone is told by the same variables as one among several.
func TestTheVariablesOfASingleService(t *testing.T) {
	var got string
	single := muster.Service{Name: "single-one", Run: func(ctx context.Context, app *muster.App) error {
		got = app.Zone()
		return app.Serve(ctx)
	}}
	mustertest.Config{Services: []muster.Service{single}, Env: map[string]string{"SINGLE_ONE_MUSTER_ZONE": "z1", "MUSTER_ZONE": "z2"}}.Start(t)
	if got != "z1" {
		t.Errorf("the zone is %q", got)
	}
}

// A service that hears events, and a test that publishes one to it.
func TestAnEventReachesAService(t *testing.T) {
	type word struct{ Text string }
	said := bus.Topic[word]{Name: "words.said"}
	heard := make(chan string, 1)
	fleet := mustertest.Start(t, muster.Service{Name: "ear", Run: func(ctx context.Context, app *muster.App) error {
		app.On(said.Name, bus.Typed(said, func(_ context.Context, _ bus.Delivery, w word) error {
			heard <- w.Text
			return nil
		}))
		return app.Serve(ctx)
	}})
	m, err := said.Msg(t.Context(), "k", word{"hello"})
	if err != nil {
		t.Fatal(err)
	}
	m.Source = "/test"
	if err := fleet.Bus().Publish(t.Context(), []bus.Msg{m})[0].Err; err != nil {
		t.Fatal(err)
	}
	select {
	case text := <-heard:
		if text != "hello" {
			t.Errorf("heard %q", text)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was heard")
	}
}
