package operation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
	"github.com/musterdev/muster/rest/operation"
)

// work is operations as a test wants them.
type work struct {
	mu     sync.Mutex
	all    map[string]operation.Status
	looks  int
	cancel error
}

func (w *work) set(s operation.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[s.ID] = s
}

func (w *work) Find(_ context.Context, id string) (operation.Status, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	s, ok := w.all[id]
	if !ok {
		return s, problem.New(problem.NotFound, "there is no operation %q", id)
	}
	return s, nil
}

func (w *work) Cancel(context.Context, string) error { return w.cancel }

func running(id string) *work {
	return &work{all: map[string]operation.Status{id: {ID: id, State: operation.Running}}}
}

func served(t testing.TB, src operation.Source) (*operation.Operations, *rest.API) {
	t.Helper()
	o, err := operation.New(operation.Config{Path: "/v1/operations", Source: src})
	if err != nil {
		t.Fatal(err)
	}
	api := rest.New(rest.Info{Title: "Test"})
	o.Register(api)
	rest.Post(api, "/v1/reports", func(context.Context, struct{}) (operation.Accepted, error) { return o.Accepted("r/1"), nil }, rest.Status(http.StatusAccepted))
	if err := api.Err(); err != nil {
		t.Fatal(err)
	}
	return o, api
}

func ask(api http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

func TestAcceptedThenAsked(t *testing.T) {
	src := running("r/1")
	_, api := served(t, src)
	w := ask(api, http.MethodPost, "/v1/reports")
	if w.Code != 202 || w.Header().Get("Location") != "/v1/operations/r%2F1" || w.Header().Get("Retry-After") != "1" || strings.TrimSpace(w.Body.String()) != `{"id":"r/1","state":"running"}` {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	w = ask(api, http.MethodGet, w.Header().Get("Location"))
	tag := w.Header().Get("ETag")
	if w.Code != 200 || tag == "" || w.Header().Get("Retry-After") != "1" || w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("Content-Location") != "/v1/operations/r%2F1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := ask(api, http.MethodGet, "/v1/operations/r%2F1", "If-None-Match", tag); w.Code != 304 {
		t.Errorf("the same again: %d", w.Code)
	}
	src.set(operation.Status{ID: "r/1", State: operation.Failed, Error: &operation.Failure{Code: problem.Unprocessable, Detail: "no money"}})
	w = ask(api, http.MethodGet, "/v1/operations/r%2F1", "If-None-Match", tag)
	var got operation.Status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.Error == nil || got.Error.Detail != "no money" || w.Header().Get("Retry-After") != "" {
		t.Errorf("%d %s %v", w.Code, w.Body, err)
	}
	if w := ask(api, http.MethodGet, "/v1/operations/none"); w.Code != 404 {
		t.Errorf("none: %d", w.Code)
	}
}

// What waits is answered at the end, at a change of what is at hand, when its time is up,
// and no later.
func TestPreferWait(t *testing.T) {
	for name, tt := range map[string]struct {
		header  []string
		within  time.Duration // the request's own
		ends    time.Duration // when the work ends
		moves   time.Duration // when it moves on
		wake    bool
		took    time.Duration // at least, and less than a look more
		applied string
		state   operation.State
	}{
		"ends meanwhile":            {header: []string{"Prefer", "wait=5"}, ends: 2 * time.Second, took: 2 * time.Second, applied: "wait=5", state: operation.Succeeded},
		"is told of the end":        {header: []string{"Prefer", "wait=5"}, ends: 2100 * time.Millisecond, wake: true, took: 2100 * time.Millisecond, applied: "wait=5", state: operation.Succeeded},
		"does not end":              {header: []string{"Prefer", "respond-async, Wait = \"5\""}, took: 5 * time.Second, applied: "wait=5", state: operation.Running},
		"longer than is offered":    {header: []string{"Prefer", "wait=3600"}, took: 30 * time.Second, applied: "wait=30", state: operation.Running},
		"in two fields":             {header: []string{"Prefer", "respond-async", "Prefer", "wait=3"}, took: 3 * time.Second, applied: "wait=3", state: operation.Running},
		"moves, and nothing is had": {header: []string{"Prefer", "wait=5"}, moves: time.Second, took: 5 * time.Second, applied: "wait=5", state: operation.Running},
		"changes what is had":       {header: []string{"Prefer", "wait=5", "If-None-Match", `"old", "older"`}, took: 0, applied: "wait=5", state: operation.Running},
		"its own time is up":        {header: []string{"Prefer", "wait=5"}, within: time.Second, took: 800 * time.Millisecond, applied: "wait=5", state: operation.Running},
		"no number":                 {header: []string{"Prefer", "wait=soon"}, state: operation.Running},
		"negative":                  {header: []string{"Prefer", "wait=-1"}, state: operation.Running},
		"does not want to":          {state: operation.Running},
	} {
		synctest.Test(t, func(t *testing.T) {
			src := running("7")
			o, api := served(t, src)
			ten := 10
			if tt.moves > 0 {
				time.AfterFunc(tt.moves, func() { src.set(operation.Status{ID: "7", State: operation.Running, Percent: &ten}) })
			}
			if tt.ends > 0 {
				time.AfterFunc(tt.ends, func() {
					src.set(operation.Status{ID: "7", State: operation.Succeeded, Result: "/v1/reports/7"})
					if tt.wake {
						o.Wake()
					}
				})
			}
			r := httptest.NewRequest(http.MethodGet, "/v1/operations/7", http.NoBody)
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Add(tt.header[i], tt.header[i+1])
			}
			if tt.within > 0 {
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				r = r.WithContext(ctx)
			}
			began := time.Now()
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			took := time.Since(began)
			slack := 250 * time.Millisecond
			if tt.wake {
				slack = time.Millisecond
			}
			if took < tt.took || took > tt.took+slack {
				t.Errorf("%s: it took %s, want %s", name, took, tt.took)
			}
			var got operation.Status
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.State != tt.state || w.Header().Get("Preference-Applied") != tt.applied {
				t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
			}
		})
	}
}

// Beside the tag of what is at hand the answer waits for the next step.
func TestWaitForAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := running("7")
		_, api := served(t, src)
		tag := ask(api, http.MethodGet, "/v1/operations/7").Header().Get("ETag")
		ten := 10
		time.AfterFunc(time.Second, func() { src.set(operation.Status{ID: "7", State: operation.Running, Percent: &ten}) })
		began := time.Now()
		w := ask(api, http.MethodGet, "/v1/operations/7", "Prefer", "wait=5", "If-None-Match", tag)
		if took := time.Since(began); w.Code != 200 || took < time.Second || took > 1250*time.Millisecond || !strings.Contains(w.Body.String(), `"percent":10`) {
			t.Errorf("after %s: %d %s", took, w.Code, w.Body)
		}
		w = ask(api, http.MethodGet, "/v1/operations/7", "Prefer", "wait=2", "If-None-Match", w.Header().Get("ETag"))
		if w.Code != 304 || src.looks > 30 {
			t.Errorf("nothing new: %d, after %d looks", w.Code, src.looks)
		}
	})
}

// A service that is to end cuts nobody off who waits.
func TestWhoWaitsIsAnsweredAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, api := served(t, running("7"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- o.Run(ctx) }()
		began := time.Now()
		for _, at := range []time.Duration{time.Second, time.Second} { // who waits, and who comes later
			w := ask(api, http.MethodGet, "/v1/operations/7", "Prefer", "wait=5")
			if took := time.Since(began); w.Code != 200 || took != at || !strings.Contains(w.Body.String(), `"running"`) {
				t.Errorf("after %s: %d %s", took, w.Code, w.Body)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCancel(t *testing.T) {
	src := running("7")
	_, api := served(t, src)
	if w := ask(api, http.MethodPost, "/v1/operations/7/cancel"); w.Code != 202 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	src.cancel = problem.New(problem.FailedPrecondition, "too late")
	if w := ask(api, http.MethodPost, "/v1/operations/7/cancel"); w.Code != 412 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	_, api = served(t, operation.Func(src.Find)) // which cannot
	if w := ask(api, http.MethodPost, "/v1/operations/7/cancel"); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWhatIsNoConfig(t *testing.T) {
	for _, c := range []operation.Config{{Path: "/v1/operations"}, {Path: "v1", Source: running("")}, {Path: "/v1/", Source: running("")}, {Path: "/v1/{id}", Source: running("")}, {Source: running("")}} {
		if _, err := operation.New(c); err == nil {
			t.Errorf("%+v", c)
		}
	}
}

func Example() {
	export := operation.Func(func(_ context.Context, id string) (operation.Status, error) { // reads where the work is recorded
		return operation.Status{ID: id, State: operation.Succeeded, Result: "/v1/exports/" + id}, nil
	})
	ops, err := operation.New(operation.Config{Path: "/v1/operations", Source: export})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := rest.New(rest.Info{Title: "Exports"})
	ops.Register(api)
	rest.Post(api, "/v1/exports", func(context.Context, struct{}) (operation.Accepted, error) {
		return ops.Accepted("x-1"), nil // begin the work before
	}, rest.Status(http.StatusAccepted))

	w := ask(api, http.MethodPost, "/v1/exports")
	fmt.Print(w.Code, " ", w.Header().Get("Location"), " ", w.Body)
	w = ask(api, http.MethodGet, w.Header().Get("Location"), "Prefer", "wait=5")
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 202 /v1/operations/x-1 {"id":"x-1","state":"running"}
	// 200 {"id":"x-1","state":"succeeded","result":"/v1/exports/x-1"}
}
