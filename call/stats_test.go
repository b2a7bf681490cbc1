package call_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/seen"
)

// statsOf returns what a caller says of the one service it calls.
func statsOf(t *testing.T, c *call.Caller) seen.Service {
	t.Helper()
	all := c.Stats()
	if len(all) != 1 {
		t.Fatalf("%d services were called", len(all))
	}
	return all[0]
}

// What became of each attempt is counted where it belongs, by route, and stays when the
// settings change.
func TestStatsCountWhatBecameOfCalls(t *testing.T) {
	var answer atomic.Int64
	in, _ := server(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		switch code := int(answer.Load()); code {
		case 0:
			panic(http.ErrAbortHandler)
		case http.StatusServiceUnavailable:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(code)
		default:
			w.WriteHeader(code)
		}
	})
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"routes":{"GET /slow/{id}":{"settings":{"breaker":{}}}}}`)
	client := c.Client("stock")
	ask := func(method, path string, code int) {
		t.Helper()
		answer.Store(int64(code))
		r, _ := http.NewRequestWithContext(t.Context(), method, "http://stock"+path, http.NoBody)
		if res, err := client.Do(r); err == nil {
			_ = res.Body.Close()
		}
	}
	ask(http.MethodGet, "/", http.StatusOK)
	ask(http.MethodGet, "/", http.StatusServiceUnavailable) // shed: not repeated
	ask(http.MethodGet, "/", http.StatusInternalServerError)
	ask(http.MethodPost, "/", 0) // may have been carried out
	ask(http.MethodGet, "/slow/7", http.StatusOK)

	s := statsOf(t, c)
	if s.Service != "stock" || len(s.Routes) != 2 || s.Routes[0].Pattern != "" || s.Routes[1].Pattern != "GET /slow/{id}" {
		t.Fatalf("got %+v", s)
	}
	r := s.Routes[0]
	if want := (seen.Attempts{OK: 1, Failed: 2, Shed: 1}); r.Attempts != want || r.Attempts.All() != 4 {
		t.Errorf("attempts are %+v, want %+v", r.Attempts, want)
	}
	if want := (seen.Retries{Unsafe: 1}); r.Retries != want || r.Calls != 4 || r.Failed != 1 {
		t.Errorf("retries are %+v, want %+v, of %d calls %d failed", r.Retries, want, r.Calls, r.Failed)
	}
	if r.Breaker != nil || s.Routes[1].Breaker == nil || s.Routes[1].Calls != 1 {
		t.Errorf("of the route: %+v", s.Routes[1])
	}
	ask(http.MethodGet, "/", 0) // repeated, three attempts in all
	if r = statsOf(t, c).Routes[0]; r.Retries.Repeat != 2 || r.Retries.Enough != 1 || r.Attempts.Failed != 5 {
		t.Errorf("after a call that is repeated: %+v %+v", r.Attempts, r.Retries)
	}
	say(view, `{"settings":{"timeout":"2s"},"balance":{"policy":"round-robin"}}`)
	s = statsOf(t, c)
	if len(s.Routes) != 1 || s.Routes[0].Calls != 5 || s.Policy.String() != "round-robin" {
		t.Errorf("after a change: %+v", s)
	}
}

func TestStatsOfInstances(t *testing.T) {
	release, began := make(chan struct{}), make(chan struct{})
	in, _ := server(t, "a", func(http.ResponseWriter, *http.Request) { close(began); <-release })
	gone := dead(t, "b")
	c, view := newCaller(t, call.Config{Wait: -1}, gone)
	if _, err := get(t, c.Client("stock"), "http://stock/"); err == nil {
		t.Fatal("nobody listens")
	}
	s := statsOf(t, c)
	if len(s.Instances) != 1 || !s.Instances[0].Suspect || s.Instances[0].State != "ready" {
		t.Errorf("got %+v", s.Instances)
	}
	if said := s.Unusual(time.Now()); len(said) != 1 || said[0] != "b cannot be reached" {
		t.Errorf("said %q", said)
	}
	view.Set(nil)
	view.Set(append(view.Instances(), in))
	ended := make(chan error)
	go func() {
		_, err := get(t, c.Client("stock"), "http://stock/")
		ended <- err
	}()
	<-began
	view.Set(nil)
	s = statsOf(t, c)
	if len(s.Instances) != 1 || s.Instances[0].ID != "a" || s.Instances[0].State != "gone" || s.Instances[0].InFlight != 1 {
		t.Errorf("an instance that has left with a call in flight: %+v", s.Instances)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s = statsOf(t, c)
	if said := s.Unusual(time.Now()); len(s.Instances) != 0 || len(said) != 1 || said[0] != "no instance is known" {
		t.Errorf("got %+v, said %q", s.Instances, said)
	}
}

// An instance that fails is left out: seen with the time of its return, and counted.
func TestStatsOfEjection(t *testing.T) {
	bad, _ := server(t, "bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	good, _ := server(t, "good", func(http.ResponseWriter, *http.Request) {})
	c, view := newCaller(t, call.Config{}, bad, good)
	say(view, `{"balance":{"policy":"round-robin"}}`)
	var s seen.Service
	for range 100 {
		_, _ = get(t, c.Client("stock"), "http://stock/")
		if s = statsOf(t, c); s.Ejections > 0 {
			break
		}
	}
	now := time.Now()
	if s.Ejections != 1 || s.Instances[0].ID != "bad" || !s.Instances[0].EjectedUntil.After(now) || !s.Instances[1].EjectedUntil.IsZero() {
		t.Fatalf("got %+v", s)
	}
	if said := strings.Join(s.Unusual(now), "\n"); !strings.Contains(said, "bad is left out for 10s more") {
		t.Errorf("said %q", said)
	}
	say(view, "") // another policy, another set: what was counted stays
	if n := statsOf(t, c).Ejections; n != 1 {
		t.Errorf("%d ejections after a change of the policy", n)
	}
}

// What is said over HTTP is read back as it was.
func TestSeenIsReadBack(t *testing.T) {
	in, _ := server(t, "a", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"breaker":{"min_calls":2,"open":"1m"},"bulkhead":{"max":1},"hedge":{},"fallback":{"last_good":"1m"}}}`)
	for range 3 {
		_, _ = get(t, c.Client("stock"), "http://stock/")
	}
	var door admission.GateStats
	door.Limit, door.InFlight, door.Waiting, door.LastShed = 40, 40, 3, time.Now().Round(0)
	door.Admitted[resilience.Critical], door.Shed[resilience.Low][admission.ShedQueueFull] = 5, 7
	want := seen.Process{Service: "cart", Instance: "cart-1", Calls: c.Stats(), Admission: &door}
	h := seen.Handler(func() seen.Process { return want })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, seen.Path, http.NoBody))
	var got seen.Process
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if want.At = got.At; got.At.IsZero() || !got.Admission.LastShed.Equal(door.LastShed) {
		t.Errorf("the times are %v and %v", got.At, got.Admission.LastShed)
	}
	got.Admission.LastShed = door.LastShed
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	said := strings.Join(got.Unusual(), "\n")
	if !strings.Contains(said, "turns calls away: 40 of 40 places taken, 3 calls wait") || !strings.Contains(said, "stock: the breaker is open for") {
		t.Errorf("said %q", said)
	}
	got.At = got.At.Add(time.Hour)
	if said := strings.Join(got.Unusual(), "\n"); strings.Contains(said, "turns calls away") {
		t.Errorf("an hour later: %q", said)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, seen.Path, http.NoBody))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
}

// spaced writes attributes with spaces between them.
type spaced struct{}

func (spaced) ID() attribute.EncoderID { return attribute.EncoderID{} }

func (spaced) Encode(i attribute.Iterator) string {
	var all []string
	for i.Next() {
		a := i.Attribute()
		all = append(all, string(a.Key)+"="+a.Value.AsString())
	}
	return strings.Join(all, " ")
}

// There are as many series as services and routes, whatever paths are called.
func TestReport(t *testing.T) {
	in, _ := server(t, "a", func(http.ResponseWriter, *http.Request) {})
	c, view := newCaller(t, call.Config{}, in)
	reader := sdkmetric.NewManualReader()
	if err := c.Report(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")); err != nil {
		t.Fatal(err)
	}
	say(view, `{"routes":{"GET /p/{id}":{"settings":{"breaker":{},"bulkhead":{"max":5},"hedge":{},"fallback":{"value":"{}"}}}}}`)
	read := func() map[string]float64 {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, m := range all.ScopeMetrics[0].Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					got[m.Name+" "+p.Attributes.Encoded(spaced{})] = float64(p.Value)
				}
			case metricdata.Sum[float64]:
				for _, p := range d.DataPoints {
					got[m.Name+" "+p.Attributes.Encoded(spaced{})] = p.Value
				}
			default:
				t.Errorf("%s is %T", m.Name, d)
			}
		}
		return got
	}
	first := 0
	for i := range 20 {
		for _, path := range []string{"/", "/p/"} {
			if _, err := get(t, c.Client("stock"), fmt.Sprintf("http://stock%s%d", path, i)); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(); i == 0 {
			first = len(got)
		} else if len(got) != first {
			t.Fatalf("%d series after call %d, %d after the first", len(got), i, first)
		}
	}
	got := read()
	for name, want := range map[string]float64{
		"muster.call.in_flight server.address=stock":                                                                    0,
		"muster.call.instances muster.call.instance.state=usable server.address=stock":                                  1,
		"muster.call.attempts muster.call.outcome=ok server.address=stock":                                              20,
		"muster.call.attempts muster.call.outcome=ok muster.call.route=GET /p/{id} server.address=stock":                20,
		"muster.call.attempts muster.call.outcome=shed server.address=stock":                                            0,
		"muster.call.retries muster.call.verdict=over_budget server.address=stock":                                      0,
		"muster.call.budget muster.call.budget.answer=denied server.address=stock":                                      0,
		"muster.call.breaker.state muster.call.breaker.state=closed muster.call.route=GET /p/{id} server.address=stock": 1,
		"muster.call.breaker.state muster.call.breaker.state=open muster.call.route=GET /p/{id} server.address=stock":   0,
		"muster.call.bulkhead.waits muster.call.route=GET /p/{id} server.address=stock":                                 0,
		"muster.call.bulkhead.wait_time muster.call.route=GET /p/{id} server.address=stock":                             0,
		"muster.call.fallbacks muster.call.fallback.origin=value muster.call.route=GET /p/{id} server.address=stock":    0,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%q is %v (%v), want %v", name, n, ok, want)
		}
	}
	if t.Failed() {
		for name, v := range got {
			t.Log(name, v)
		}
	}
}
