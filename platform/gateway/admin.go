package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/handover"
	"github.com/musterdev/muster/problem"
)

// adminHandler serves what package admin describes.
func (e *edge) adminHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out, err := answer(r)
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(out) // who asked has gone
		})
	}
	handle("GET /v1/routes", func(*http.Request) (any, error) { return e.gateway.Snapshot(), nil })
	handle("PUT /v1/routes", func(r *http.Request) (any, error) { return e.putRoutes(r) })
	handle("GET /v1/tcp", func(*http.Request) (any, error) { return e.tcpStatus(), nil })
	handle("PUT /v1/tcp", func(r *http.Request) (any, error) { return e.putTCP(r) })
	handle("GET /v1/certificates", func(*http.Request) (any, error) { return e.certificates(), nil })
	mux.HandleFunc("POST "+handover.Path, e.handOver)
	handle("POST /v1/drain/{instance}", func(r *http.Request) (any, error) { return e.drainInstance(r) })
	mux.Handle("GET /v1/calls", seen.Handler(func() seen.Process {
		return seen.Process{Service: "edge", Calls: append(e.caller.Stats(), e.tcp.Calls()...), Admission: e.valve.Stats()}
	}))
	handle("GET /v1/status", func(*http.Request) (any, error) { return e.status(), nil })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		all := append(prometheus.Gatherers{e.metrics}, e.gateway.Snapshot().Metrics()...) // of the filters there are just now
		promhttp.HandlerFor(all, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "the edge has no %s %s", r.Method, r.URL.Path))
	})
	return mux
}

// drainInstance answers when nothing is in flight at the instance, or after the wait.
func (e *edge) drainInstance(r *http.Request) (admin.Drained, error) {
	id := r.PathValue("instance")
	wait := admin.DefaultWait
	if v := r.URL.Query().Get("wait"); v != "" {
		var err error
		if wait, err = time.ParseDuration(v); err != nil || wait < 0 || wait > admin.MaxWait {
			return admin.Drained{}, problem.New(problem.InvalidArgument, "the query parameter %q is not valid", "wait").
				WithField("wait", "must be a duration from 0s to "+admin.MaxWait.String()+", such as 10s")
		}
	}
	d := admin.Drained{Instance: id, Known: e.drain.Mark(id)}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	d.InFlight = e.awaitIdle(ctx, id)
	e.log.Info("drained", "drained", id, "known", d.Known, "in_flight", d.InFlight)
	return d, nil
}

// awaitIdle waits until nothing is in flight at an instance, or ctx ends, and returns
// what is left. A Caller tells its load to who asks, so it is asked often.
func (e *edge) awaitIdle(ctx context.Context, id string) int64 {
	const often = 10 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		n := e.inFlight(id)
		if n == 0 {
			return 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n
		}
	}
}

// maxCallers bounds how many are told of for each deprecated route.
const maxCallers = 100

func (e *edge) status() admin.Status {
	e.mu.Lock()
	since := e.since
	e.mu.Unlock()
	table := e.gateway.Table()
	s := admin.Status{
		PID: os.Getpid(), Started: e.started, Listen: e.listen, Routes: table.Len(), Since: since,
		InFlight: e.gateway.InFlight(), Draining: e.drain.Marked(), Services: map[string][]admin.Instance{},
	}
	if s.Draining == nil {
		s.Draining = []string{}
	}
	for _, service := range table.Services() {
		list := []admin.Instance{}
		for _, in := range e.drain.View(service).Instances() {
			list = append(list, admin.Instance{ID: in.ID, Version: in.Version, State: string(in.State), InFlight: e.inFlight(in.ID)})
		}
		s.Services[service] = list
	}
	for label, callers := range e.gateway.Outdated() {
		if s.Deprecated == nil {
			s.Deprecated = map[string][]admin.Caller{}
		}
		for _, c := range callers[:min(len(callers), maxCallers)] {
			s.Deprecated[label] = append(s.Deprecated[label], admin.Caller(c))
		}
	}
	return s
}
