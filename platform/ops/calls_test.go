package ops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/calltable"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/problem"
)

// seen is a caller that has something to say.
func calling(service, id string) seen.Process {
	door := admission.GateStats{Limit: 40, InFlight: 40, Waiting: 2, LastShed: time.Now()}
	door.Shed[resilience.Low][admission.ShedQueueFull] = 7
	pool := &seen.Pool{Max: 8, Open: 8, InUse: 8, Waited: 3, WaitSum: 1500 * time.Millisecond}
	return seen.Process{Service: service, Instance: id, Admission: &door, Database: pool, Calls: []seen.Service{{
		Service:   "stock",
		Instances: []seen.Instance{{ID: "stock-1", State: "ready", InFlight: 3, Latency: 12 * time.Millisecond, EjectedUntil: time.Now().Add(time.Minute)}},
		Routes: []seen.Route{
			{Calls: 10, Attempts: seen.Attempts{OK: 9, Failed: 3}, Retries: seen.Retries{Repeat: 2}},
			{Pattern: "GET /unused"},
			{Pattern: "GET /p/{id}", Calls: 5, TargetStats: resilience.TargetStats{Breaker: &resilience.BreakerStats{State: resilience.Open, Left: 3 * time.Second}}},
		},
	}}}
}

func tells(s seen.Process) http.Handler { return seen.Handler(func() seen.Process { return s }) }

// running is a fleet whose instances are these, and one engine.
func running(t *testing.T, handlers map[string][]http.Handler) supervise.Status {
	t.Helper()
	port := func(h http.Handler) int {
		_, p, err := net.SplitHostPort(strings.TrimPrefix(serve(t, h), "http://"))
		n, bad := strconv.Atoi(p)
		if err != nil || bad != nil {
			t.Fatal(err, bad)
		}
		return n
	}
	var st supervise.Status
	for _, name := range []string{"cart", "legacy", "broken"} {
		s := supervise.ServiceStatus{Name: name}
		for _, h := range handlers[name] {
			s.Instances = append(s.Instances, instance.Status{Phase: instance.Ready, Port: port(h)})
		}
		st.Services = append(st.Services, s)
	}
	for _, name := range []string{"control", "edge"} {
		for _, h := range handlers[name] {
			st.Engines = append(st.Engines, instance.Status{Service: name, Phase: instance.Ready, Port: port(h)})
		}
	}
	return st
}

// Every instance is asked, programs of their own kind are passed over, and what could
// not be asked is named.
func TestCallsOfAFleet(t *testing.T) {
	foreign := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"hello":"world"}`))
	})
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	st := running(t, map[string][]http.Handler{
		"cart":    {tells(calling("cart", "cart-1")), tells(calling("cart", "cart-2"))},
		"legacy":  {foreign, http.NotFoundHandler(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.New(problem.NotFound, "no")) })},
		"broken":  {hangs},
		"control": {tells(calling("control", "control-1"))},
		"edge":    {http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the edge's own port was asked") })},
	})
	began := time.Now()
	calls := ops.CallsOf(t.Context(), st, func(context.Context) (seen.Process, error) {
		return seen.Process{Service: "edge", At: time.Now()}, nil
	})
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("one that hangs held all up for %s", took)
	}
	var names []string
	for _, c := range calls.Callers {
		names = append(names, c.Service+"/"+c.Instance)
	}
	if got := strings.Join(names, " "); got != "edge/ cart/cart-1 cart/cart-2 control/control-1" {
		t.Errorf("asked %s", got)
	}
	if len(calls.Missing) != 1 || !strings.HasPrefix(calls.Missing[0].Error, "broken: ") {
		t.Errorf("missing: %+v", calls.Missing)
	}
	var table, brief bytes.Buffer
	if err := errors.Join(calltable.Write(&table, calls), calltable.WriteUnusual(&brief, calls)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cart-1     stock    *            10     0       12        2",
		"GET /p/{id}  5",
		"stock-1   ready  3          12ms     for 1m0s",
		"40 of 40      2        0         7 low",
		"cart-1       8 of 8              3           1.5s",
		"cart-2     all 8 connections to its database are in use",
		"not asked: broken: ",
		"cart-2     turns calls away: 40 of 40 places taken, 2 calls wait",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, table.String())
		}
	}
	if strings.Contains(table.String(), "unused") {
		t.Error("a route that nobody called is shown")
	}
	if s := brief.String(); !strings.HasPrefix(s, "\nCALLER") || !strings.Contains(s, "stock: stock-1 is left out") || !strings.Contains(s, "GET /p/{id}: the breaker is open for 3s more") {
		t.Errorf("said %s", s)
	}
	brief.Reset()
	if err := calltable.WriteUnusual(&brief, ops.Calls{}); err != nil || brief.Len() > 0 {
		t.Errorf("said of nothing: %q", brief.String())
	}
}

func TestCallsOverHTTP(t *testing.T) {
	url := serve(t, tells(calling("cart", "cart-1")))
	h := ops.Handler(func() *ops.Fleet { return &ops.Fleet{Services: []ops.Service{{Name: "cart", URLs: []string{url}}}} })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/ops/calls", http.NoBody))
	var got ops.Calls
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Callers) != 1 || got.Callers[0].Instance != "cart-1" || len(got.Callers[0].Unusual) != 4 || got.Missing == nil {
		t.Errorf("got %s", w.Body)
	}
}
