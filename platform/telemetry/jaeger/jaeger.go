// Package jaeger answers the queries of Jaeger's user interface, and of what else asks a
// Jaeger, such as Grafana: the JSON API of version 1 (/api/...) and version 3, whose
// spans are OTLP's (/api/v3/...).
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Config is whom to ask. Store is needed; without Graph there are no dependencies.
type Config struct {
	Store    signal.Store
	Graph    *graph.Graph
	Deadline time.Duration    // of an answer, after which there are only those traces found by then; default 10 s
	Now      func() time.Time // default time.Now
}

// api answers.
type api struct{ cfg Config }

// New returns a handler of GET requests below /api/. Errors have the form that Jaeger's
// have. Parameters that it does not know are not looked at, as those of Jaeger change.
func New(cfg Config) http.Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Deadline <= 0 {
		cfg.Deadline = 10 * time.Second
	}
	a := &api{cfg}
	mux := http.NewServeMux()
	for path, serve := range map[string]answer{
		"services":                      a.services,
		"services/{service}/operations": a.operationNames,
		"operations":                    a.operations,
		"traces":                        a.traces,
		"traces/{id}":                   a.trace,
		"dependencies":                  a.dependencies,
	} {
		mux.Handle("/api/"+path, a.handle(serve, writeV1))
	}
	for path, serve := range map[string]answer{
		"services":        a.servicesV3,
		"operations":      a.operationsV3,
		"traces":          a.tracesV3,
		"traces/{id}":     a.traceV3,
		"trace-summaries": a.summariesV3,
	} {
		mux.Handle("/api/v3/"+path, a.handle(serve, writeV3))
	}
	none := func(*http.Request) (any, error) {
		return nil, failure{http.StatusNotFound, "there is no such path: there are services, operations, traces, dependencies, and v3/ of services, operations, traces and trace-summaries"}
	}
	mux.Handle("/api/v3/", a.handle(none, writeV3))
	mux.Handle("/", a.handle(none, writeV1))
	return mux
}

// answer returns what to answer a request with.
type answer func(*http.Request) (any, error)

// failure is an error that is told.
type failure struct {
	status int
	text   string
}

func (f failure) Error() string { return f.text }

// handle returns a handler that bounds an answer in time.
func (a *api) handle(serve answer, write func(w http.ResponseWriter, v any, f *failure)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			write(w, nil, &failure{http.StatusMethodNotAllowed, r.Method + " is not offered here: GET is"})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
		defer cancel()
		v, err := serve(r.WithContext(ctx))
		if err == nil {
			write(w, v, nil)
			return
		}
		f, told := errors.AsType[failure](err)
		switch {
		case told:
		case errors.Is(err, context.DeadlineExceeded):
			f = failure{http.StatusGatewayTimeout, "there is too much to look through: ask for a shorter time"}
		default:
			f = failure{http.StatusInternalServerError, "the store failed"}
		}
		write(w, nil, &f)
	})
}

// documentV1 is what version 1 answers.
type documentV1 struct {
	Data   any       `json:"data"`
	Total  int       `json:"total"`
	Limit  int       `json:"limit"`
	Offset int       `json:"offset"`
	Errors []errorV1 `json:"errors"`
}

type errorV1 struct {
	Code int    `json:"code"`
	Text string `json:"msg"`
}

// counted is a list of which version 1 tells the length.
type counted interface{ count() int }

type list[T any] []T

func (l list[T]) count() int { return len(l) }

func writeV1(w http.ResponseWriter, v any, f *failure) {
	d, status := documentV1{Data: v}, http.StatusOK
	if l, ok := v.(counted); ok {
		d.Total = l.count()
	}
	if f != nil {
		status = f.status
		d.Errors = []errorV1{{f.status, f.text}}
	}
	send(w, status, d)
}

func writeV3(w http.ResponseWriter, v any, f *failure) {
	if f == nil {
		send(w, http.StatusOK, v)
		return
	}
	type errorV3 struct {
		Code int    `json:"httpCode"`
		Text string `json:"message"`
	}
	send(w, f.status, struct {
		Error errorV3 `json:"error"`
	}{errorV3{f.status, f.text}})
}

func send(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"errors":[{"code":500,"msg":"the answer cannot be encoded"}]}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller is gone: nobody is left to tell
}
