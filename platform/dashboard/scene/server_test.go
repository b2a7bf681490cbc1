package scene

import (
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/dashboard"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/problem"
)

var (
	serveAt = flag.String("serve", "", "serve the scene at this address until Ctrl-C, for TestServe")
	files   = flag.String("dist", "", "serve the application from this folder and not the embedded one, for TestServe")
)

// stage is a scene that is served.
type stage struct {
	mu      sync.Mutex
	actions []string         // POSTs that were taken: "METHOD path body"
	fail    map[string]error // paths that are answered so
	asked   map[string]int   // how often, by path
	live    chan string      // events that the stream sends; "" ends it
	further []ops.Saga       // behind those of the scene
	held    []ops.Held       // steps; the scene has none
}

// theScene is what does not change while it is looked at: all stages share it.
var theScene shared

type shared struct {
	once    sync.Once
	api     http.Handler
	metrics http.Handler
	close   func()
}

func (s *shared) open(t testing.TB) {
	t.Helper()
	s.once.Do(func() {
		store := newKept(day())
		now := func() time.Time { return moment }
		g := graph.New(graph.Config{Now: now})
		if err := g.Rebuild(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		s.api = query.New(query.Config{Store: store, Graph: g, Live: query.NewLive(now), Overview: overview, Health: health, Now: now}).Handler()
		s.metrics, s.close = newMetrics(t)
	})
}

// newStage returns the scene's handler: the dashboard with everything it asks.
func newStage(t testing.TB, app fs.FS) (*stage, http.Handler) {
	t.Helper()
	theScene.open(t)
	st := &stage{fail: map[string]error{}, asked: map[string]int{}, live: make(chan string)}
	mux := http.NewServeMux()
	mux.Handle("/v1/telemetry/", theScene.api)
	mux.Handle("/api/v1/", theScene.metrics)
	mux.HandleFunc("GET /v1/services", func(w http.ResponseWriter, _ *http.Request) { write(w, catalog()) })
	mux.HandleFunc("GET /v1/stream", st.stream)
	mux.HandleFunc("GET /v1/ops/queues", func(w http.ResponseWriter, _ *http.Request) { write(w, queues()) })
	mux.HandleFunc("GET /v1/ops/calls", func(w http.ResponseWriter, _ *http.Request) { write(w, calls()) })
	mux.HandleFunc("GET /v1/ops/sagas", func(w http.ResponseWriter, r *http.Request) {
		most := 200
		if r.FormValue("limit") != "" {
			most, _ = strconv.Atoi(r.FormValue("limit"))
		}
		list := chosen(st.sagas(), r.FormValue("service"), r.FormValue("state"), most)
		st.mu.Lock()
		list.Held = st.held
		st.mu.Unlock()
		write(w, list)
	})
	mux.HandleFunc("GET /v1/ops/sagas/{service}/{saga}/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, s := range sagas() {
			if s.ID == r.PathValue("id") {
				write(w, sagaDetail(s))
				return
			}
		}
		problem.Write(w, r, problem.New(problem.NotFound, "orders has no saga checkout %s", r.PathValue("id")))
	})
	mux.HandleFunc("POST /v1/ops/", st.act)
	mux.Handle("/", dashboard.Handler(dashboard.Config{Title: "shop", Files: app}))
	return st, st.wrap(mux)
}

// wrap gives answers the scene's time, and lets paths fail.
func (st *stage) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", moment.Format(http.TimeFormat))
		st.mu.Lock()
		err := st.fail[r.URL.Path]
		st.asked[r.URL.Path]++
		st.mu.Unlock()
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (st *stage) act(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Muster-Action") != "yes" {
		problem.Write(w, r, problem.New(problem.PermissionDenied, "the header Muster-Action is missing"))
		return
	}
	var body any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		problem.Write(w, r, problem.New(problem.InvalidArgument, "the body is no JSON"))
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	st.mu.Lock()
	st.actions = append(st.actions, r.URL.Path+" "+string(text))
	st.mu.Unlock()
	write(w, map[string]int{"retried": 3, "refused": 1}) // what a bulk came to; nobody else reads it
}

// stream sends what a test has happen; of itself nothing does.
func (st *stage) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("event: ping\ndata: {}\n\n"))
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case event := <-st.live:
			if event == "" {
				return
			}
			_, _ = io.WriteString(w, event)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the scene's own values, to a browser that may be gone
}

// TestServe serves the scene to people: see the package's documentation.
func TestServe(t *testing.T) {
	if *serveAt == "" {
		t.Skip("-serve ADDRESS serves the scene")
	}
	var app fs.FS
	if *files != "" {
		app = os.DirFS(*files)
	}
	l, err := net.Listen("tcp", *serveAt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	_, whole := newStage(t, app)
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if app != nil && strings.HasPrefix(r.URL.Path, "/assets/") { // read anew, so that what is rebuilt is seen
			dashboard.Handler(dashboard.Config{Files: app}).ServeHTTP(w, r)
			return
		}
		whole.ServeHTTP(w, r)
	})}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	t.Logf("http://%s", l.Addr())
	_ = srv.Serve(l)
}

// sagas are those that the stage has.
func (st *stage) sagas() []ops.Saga {
	st.mu.Lock()
	defer st.mu.Unlock()
	return append(sagas(), st.further...)
}

// addSagas puts sagas behind those of the scene.
func (st *stage) addSagas(all ...ops.Saga) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.further = append(st.further, all...)
}

// taken returns the actions that were sent.
func (st *stage) taken() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.actions)
}

// spoil has a path fail from now on; nil mends it.
func (st *stage) spoil(path string, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.fail[path] = err
}

// times is how often a path was asked for.
func (st *stage) times(path string) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.asked[path]
}
