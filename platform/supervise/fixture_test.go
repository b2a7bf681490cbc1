//go:build unix

package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/registry"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/guard"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/plan"
)

func TestMain(m *testing.M) {
	testchild.Main(m, map[string]func() int{
		testchild.Guardian:   func() int { return guard.Main(os.Stdin, os.Stdout) },
		testchild.Supervisor: superviseAndTell,
	})
}

// a service of the test's muster.yaml, played by a test child.
func aService(name, role, more string) string {
	variable, value := testchild.Variable(role)
	return fmt.Sprintf("  %s: {run: %q, env: {%s: %s, GREETING: %q}%s}\n", name, executable(), variable, value, "hello", more)
}

func executable() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// edge is an edge that notes who was drained.
type edge struct {
	busy bool // something is in flight for ever

	mu      sync.Mutex
	drained []string
}

func (e *edge) Drain(ctx context.Context, id string) error {
	e.mu.Lock()
	e.drained = append(e.drained, id)
	e.mu.Unlock()
	if e.busy {
		<-ctx.Done()
	}
	return ctx.Err()
}

// world is a supervisor under test and what is around it.
type world struct {
	*Supervisor
	t        *testing.T
	file     string // muster.yaml
	registry *httptest.Server
	edge     *edge
	ended    chan error

	mu     sync.Mutex
	events []event.Event
	news   chan struct{} // closed and renewed at each event
}

// timing makes what waits in the real world short.
var timing = instance.Timing{ProbeFirst: 10 * time.Millisecond, Watchers: 50 * time.Millisecond, Beat: 100 * time.Millisecond}

// newWorld prepares a supervisor of the services, each a line of muster.yaml.
func newWorld(t *testing.T, change func(*Config), services ...string) *world {
	t.Helper()
	w := &world{t: t, file: filepath.Join(t.TempDir(), "muster.yaml"), edge: &edge{}, news: make(chan struct{}), ended: make(chan error, 1)}
	w.write(services...)
	f, err := w.load()
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.New(registry.Config{TTL: time.Minute})
	w.registry = httptest.NewServer(reg)
	client, err := discovery.NewClient(discovery.ClientConfig{URL: w.registry.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.registry.Close() })
	cfg := Config{
		Fleet: f, Guardian: testchild.Command(t), Env: testchild.Env(testchild.Guardian),
		RegistryURL: w.registry.URL, Registry: client, Edge: w.edge, Timing: timing,
		Events: func(e event.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			close(w.news)
			w.news = make(chan struct{})
		},
	}
	if change != nil {
		change(&cfg)
	}
	if w.Supervisor, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// write writes muster.yaml.
func (w *world) write(services ...string) {
	w.t.Helper()
	text := "fleet: test\nservices:\n" + strings.Join(services, "")
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load() (*fleet.Fleet, error) { return fleet.Load(w.file, fleet.Options{}) }

// start runs the supervisor; the test's end stops it and looks for what is left.
func (w *world) start() {
	w.t.Helper()
	go func() { w.ended <- w.Run(context.Background()) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := w.Down(ctx); err != nil {
			w.t.Errorf("down: %v", err)
		}
		w.nobodyLeft()
		if w.t.Failed() {
			for _, e := range w.all() {
				w.t.Logf("%s %s %s %s pid %d %v %s", e.Time.Format("05.000"), e.Kind, e.Service, e.Instance, e.PID, e.After, e.Detail)
			}
		}
	})
}

// up starts the supervisor and waits until everything is ready.
func (w *world) up() {
	w.t.Helper()
	w.start()
	w.await(event.FleetReady, "")
}

// fails runs a supervisor that must not come up, and returns why.
func (w *world) fails() error {
	w.t.Helper()
	select {
	case err := <-w.ended:
		if err == nil {
			w.t.Fatal("the fleet came up and ended well")
		}
		return err
	case <-time.After(30 * time.Second):
		w.t.Fatal("the fleet neither came up nor failed")
		return nil
	}
}

func (w *world) all() []event.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// await waits for the first event of a kind about a service or instance, or about
// anything for "".
func (w *world) await(kind event.Kind, about string) event.Event {
	w.t.Helper()
	return w.awaitAfter(0, kind, about)
}

// mark returns where the events to come begin.
func (w *world) mark() int { return len(w.all()) }

func (w *world) awaitAfter(mark int, kind event.Kind, about string) event.Event {
	w.t.Helper()
	late := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		seen, news := w.events[mark:], w.news
		for _, e := range seen {
			if e.Kind == kind && (about == "" || e.Service == about || e.Instance == about) {
				w.mu.Unlock()
				return e
			}
		}
		w.mu.Unlock()
		select {
		case <-news:
		case err := <-w.ended:
			w.ended <- err
			w.t.Fatalf("the supervisor ended while waiting for %q of %q: %v", kind, about, err)
		case <-late:
			w.t.Fatalf("no %q of %q", kind, about)
		}
	}
}

// nobodyLeft fails the test if a process lives that was ever started.
func (w *world) nobodyLeft() {
	w.t.Helper()
	for _, e := range w.all() {
		if e.Kind == event.Starting && testchild.Alive(e.PID) {
			w.t.Errorf("%s (pid %d) is left behind", e.Instance, e.PID)
		}
	}
}

// status returns the status of a service.
func (w *world) status(name string) ServiceStatus {
	w.t.Helper()
	for _, s := range w.Status().Services {
		if s.Name == name {
			return s
		}
	}
	w.t.Fatalf("no service %s", name)
	return ServiceStatus{}
}

// one returns the status of the only instance of a service.
func (w *world) one(name string) instance.Status {
	w.t.Helper()
	s := w.status(name)
	if len(s.Instances) != 1 {
		w.t.Fatalf("%s has %d instances", name, len(s.Instances))
	}
	return s.Instances[0]
}

// ids returns the ids of the instances of a service.
func (w *world) ids(name string) (ids []string) {
	for _, i := range w.status(name).Instances {
		ids = append(ids, i.ID)
	}
	return ids
}

// registered returns what the registry knows of a service.
func (w *world) registered(name string) []discovery.Instance {
	res, err := http.Get(w.registry.URL + "/v1/services")
	if err != nil {
		w.t.Error(err)
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	var catalog discovery.Catalog
	if err := json.NewDecoder(res.Body).Decode(&catalog); err != nil {
		w.t.Error(err)
	}
	return catalog.Services[name]
}

// get asks an instance, and returns "" when there is no answer.
func get(port int, path string) string {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + plan.Local(port) + path)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// withTimeout bounds an order of a test.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	w.t.Cleanup(cancel)
	return ctx
}
