package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise/guard"
)

// The test's program is its own guardian and its own service.
func TestMain(m *testing.M) {
	switch args := os.Args[1:]; {
	case slices.Equal(args, []string{"engine", "guardian"}):
		os.Exit(guard.Main(os.Stdin, os.Stdout))
	case slices.Equal(args, []string{"serve"}):
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintln(w, r.URL.Path, os.Getenv("MUSTER_BUS_URL"), os.Getenv("MUSTER_EVENTS_URL"))
		})
		http.HandleFunc("/called", func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintln(w, os.Getpid(), r.Header.Get("Request-Timeout") != "", r.Header.Get("Muster-Priority"))
		})
		fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const anyPorts = "edge: {port: 0}\ncontrol: {port: 0}\n"

// load reads a fleet whose services are this program.
func load(t *testing.T, dir, text string) *fleet.Fleet {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "muster.yaml")
	if !strings.Contains(text, "edge:") {
		text = anyPorts + text
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "SERVE", exe+" serve")), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Load(file, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(body))
}

// A fleet with its engines in this process: no events, no broker.
func TestSingle(t *testing.T) {
	f := load(t, t.TempDir(), "fleet: f\nservices: {web: {run: SERVE, route: /web}}")
	up, err := local.Start(t.Context(), local.Config{Fleet: f, Single: true})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, up.EdgeURL+"/web/x"); status != http.StatusOK || body != "/web/x" {
		t.Errorf("%d %q: a fleet without events is told of no broker", status, body)
	}
	if status, _ := get(t, up.ControlURL+"/v1/services"); status != http.StatusOK {
		t.Errorf("the registry: %d", status)
	}
	if st := up.Status(); st.EventsURL != "" || len(st.Services) != 1 {
		t.Errorf("%+v", st)
	}
	if _, err := os.Stat(filepath.Join(f.Dir, ".muster", "broker")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the broker's folder is there: %v", err)
	}
	// a second one in the same folder touches nothing
	if _, err := local.Start(t.Context(), local.Config{Fleet: f, Single: true}); err == nil {
		t.Error("a second fleet started in the folder")
	}
	if err := up.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(up.EdgeURL); err == nil {
		t.Error("the edge still answers")
	}
}

// What a changed file says of events counts at once where the broker runs.
func TestReloadOfEvents(t *testing.T) {
	dir := t.TempDir()
	const services = "fleet: f\nbroker: {port: 0, http: 0}\nservices: {web: {run: SERVE, route: /web, publishes: [web.seen, web.left], on: {%s: POST /events}}}"
	text := func(topic string) string { return fmt.Sprintf(services, topic) }
	f := load(t, dir, text("web.seen"))
	up, err := local.Start(t.Context(), local.Config{
		Fleet: f, Single: true, Load: func() (*fleet.Fleet, error) { return fleet.Load(filepath.Join(dir, "muster.yaml"), fleet.Options{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := up.Stop(); err != nil {
			t.Error(err)
		}
	}()
	events := up.Status().EventsURL
	if status, body := get(t, up.EdgeURL+"/web"); status != http.StatusOK || !strings.HasPrefix(body, "/web nats://127.0.0.1:") || !strings.HasSuffix(body, " "+events) {
		t.Errorf("told: %d %q; events at %s", status, body, events)
	}
	subscribed := func() string {
		var list []struct{ Service, Topic, Path string }
		_, body := get(t, events+"/v1/subscriptions")
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return fmt.Sprint(list)
	}
	if got := subscribed(); got != "[{web web.seen /events}]" {
		t.Errorf("subscribed to %s", got)
	}
	if err := up.Reload(t.Context(), load(t, dir, text("web.*"))); err != nil {
		t.Fatal(err)
	}
	if got := subscribed(); got != "[{web web.* /events}]" {
		t.Errorf("after the change subscribed to %s", got)
	}
	err = up.Reload(t.Context(), load(t, dir, "bus: nats://127.0.0.1:1\n"+text("web.*")))
	if err == nil || !strings.Contains(err.Error(), "bus: is another broker now") {
		t.Errorf("another bus: %v", err)
	}
}

// How a service is called is known from the start and follows the file without a restart
// of anything.
func TestReloadOfCalls(t *testing.T) {
	dir := t.TempDir()
	text := func(calls string) string {
		return "fleet: f\nservices: {web: {run: SERVE, route: /called, calls: " + calls + "}}"
	}
	f := load(t, dir, text("{timeout: 2s, priority: high}"))
	up, err := local.Start(t.Context(), local.Config{Fleet: f, Single: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := up.Stop(); err != nil {
			t.Error(err)
		}
	}()
	pid := up.Status().Services[0].Instances[0].PID
	called := func(want string) {
		t.Helper()
		got := ""
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			if _, got = get(t, up.EdgeURL+"/called"); got == fmt.Sprint(pid, " ", want) {
				return
			}
		}
		t.Errorf("called with %q, want %d %s", got, pid, want)
	}
	called("true high")
	if err := up.Reload(t.Context(), load(t, dir, text(`{routes: {"GET /called": {priority: low}}}`))); err != nil {
		t.Fatal(err)
	}
	called("false low")
	if err := up.Reload(t.Context(), load(t, dir, text("{}"))); err != nil {
		t.Fatal(err)
	}
	called("false")
}

// Any program finds the services by name: through the local proxy, and by DNS.
func TestCallsByNameAndDNS(t *testing.T) {
	proxy, dns := free(t), free(t)
	f := load(t, t.TempDir(), fmt.Sprintf("fleet: f\nedge: {port: 0, local: %d}\ncontrol: {port: 0, dns: %d}\nservices: {web: {run: SERVE}}", proxy, dns))
	up, err := local.Start(t.Context(), local.Config{Fleet: f, Single: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := up.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if status, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/web/x", proxy)); status != http.StatusOK || body != "/x" {
		t.Errorf("%d %q", status, body)
	}
	if status, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/wep/x", proxy)); status != http.StatusNotFound || !strings.Contains(body, `web`) {
		t.Errorf("%d %q", status, body)
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", dns))
	}}
	_, found, err := resolver.LookupSRV(t.Context(), "http", "tcp", "web.muster")
	if want := up.Status().Services[0].Instances[0].Port; err != nil || len(found) != 1 || int(found[0].Port) != want {
		t.Errorf("got %v, %v, want port %d", found, err, want)
	}
	if addrs, err := resolver.LookupHost(t.Context(), "web.muster"); err != nil || !slices.Equal(addrs, []string{"127.0.0.1"}) {
		t.Errorf("got %v, %v", addrs, err)
	}
}

// free returns a port that nobody has.
func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// A start that is interrupted leaves nothing and says so.
func TestInterruptedStart(t *testing.T) {
	f := load(t, t.TempDir(),
		"fleet: f\nservices: {never: {run: sleep 60, ready: tcp}}")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := local.Start(ctx, local.Config{Fleet: f, Single: true}); !errors.Is(err, local.ErrInterrupted) {
		t.Errorf("%v", err)
	}
}

// Everything in one process: services find each other and their own databases.
func TestInProcess(t *testing.T) {
	f := load(t, t.TempDir(), "fleet: f\nbroker: {port: 0, http: 0}\nservices: {front: {run: SERVE, route: /front}, my-back: {run: SERVE, database: true}}")
	service := func(name string, handler func(app *muster.App) http.Handler) muster.Service {
		return muster.Service{Name: name, Run: func(ctx context.Context, app *muster.App) error {
			app.Handle("/", handler(app))
			return app.Serve(ctx)
		}}
	}
	up, err := local.StartInProcess(t.Context(), local.ProcessConfig{
		Fleet: f, Options: []muster.Option{muster.With(sqlite.Driver)},
		Services: []muster.Service{
			service("front", func(app *muster.App) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://my-back/", http.NoBody) // it is a good one
					res, err := app.Client("my-back").Do(req)
					if err != nil {
						http.Error(w, err.Error(), http.StatusInternalServerError)
						return
					}
					defer func() { _ = res.Body.Close() }()
					_, _ = io.Copy(w, res.Body)
				})
			}),
			service("my-back", func(app *muster.App) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, err := app.DB()
					_, _ = fmt.Fprintln(w, "database:", err)
				})
			}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, up.EdgeURL+"/front"); status != http.StatusOK || body != "database: <nil>" {
		t.Errorf("%d %q", status, body)
	}
	if _, err := os.Stat(filepath.Join(f.Dir, ".muster", "data", "my-back.db")); err != nil {
		t.Error(err)
	}
	if err := up.Stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-up.Done():
	default:
		t.Error("stopped and not done")
	}
}
