package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load"
)

// anyLag lets a result stand on a busy machine; what voids one is tested apart.
var anyLag = load.Config{MaxLag: time.Hour}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// plan is of one request, evenly for a while.
func plan(url string, rate load.Rate, length time.Duration, steps ...load.Step) load.Plan {
	if len(steps) == 0 {
		steps = []load.Step{{Path: "/"}}
	}
	return load.Plan{URL: url, Arrivals: load.Constant, Stages: []load.Stage{{Rate: rate, For: length}}, Flows: []load.Flow{{Steps: steps}}, Seed: 1}
}

func run(t *testing.T, p load.Plan, cfg load.Config) load.Result {
	t.Helper()
	r, err := load.Run(t.Context(), p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.OK + r.Failed + r.Dropped + r.Cut; got != r.Offered {
		t.Errorf("%d visitors, and %d have an end: %+v", r.Offered, got, r)
	}
	var sum load.Interval
	for _, i := range r.Series {
		sum.Offered += i.Offered
		sum.OK += i.OK
		sum.Failed += i.Failed
		sum.Shed += i.Shed
		sum.Dropped += i.Dropped
		sum.Cut += i.Cut
	}
	if want := (load.Interval{Offered: r.Offered, OK: r.OK, Failed: r.Failed, Shed: r.Shed, Dropped: r.Dropped, Cut: r.Cut}); sum != want {
		t.Errorf("the series adds up to %+v, the result says %+v", sum, want)
	}
	return r
}

func TestRun(t *testing.T) {
	var came atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) { came.Add(1) })
	r := run(t, plan(url, 200, 500*time.Millisecond), anyLag)
	if r.Offered != 100 || r.OK != 100 || came.Load() != 100 || !r.Held() || r.Requests != 100 {
		t.Errorf("%+v", r)
	}
	if s := r.Steps; len(s) != 1 || s[0].Flow != "flow" || s[0].Step != "GET /" || s[0].Status["200"] != 100 || s[0].Response.Count != 100 {
		t.Errorf("%+v", s)
	}
	if p := r.Priorities; len(p) != 1 || p[0].Priority != "normal" || p[0].Requests != 100 {
		t.Errorf("%+v", p)
	}
	if r.Elapsed < 480*time.Millisecond || r.Lag.Count != 100 || r.Response.P50 <= 0 || r.Response.P50 > r.Response.Max {
		t.Errorf("%+v", r)
	}
}

func TestOne(t *testing.T) {
	var seen atomic.Value
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen.Store(r.URL.String()) })
	r := run(t, load.One(url+"/a?b=$c", 1000, 50*time.Millisecond), anyLag)
	if r.OK == 0 || r.OK != r.Offered || seen.Load() != "/a?b=$c" {
		t.Errorf("%v: %+v", seen.Load(), r)
	}
}

// The arrivals do not wait for answers, and latency counts from when one was due: a
// server that stands still for a while shows in all who came meanwhile, which a closed
// loop of one user would hide.
func TestLatencyCountsFromTheIntendedStart(t *testing.T) {
	var mu sync.Mutex
	var once sync.Once
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		once.Do(func() { time.Sleep(300 * time.Millisecond) })
	})
	r := run(t, plan(url, 100, 500*time.Millisecond), anyLag)
	if r.OK != 50 || r.Response.P50 < 40*time.Millisecond || r.Response.Max < 300*time.Millisecond {
		t.Errorf("%+v; want about 30 of 50 to wait, 300 ms the first", r.Response)
	}
	// Response and service differ by what came before sending; here a step that thinks
	// nothing but whose visitor was let in late.
	if r.Response.P50 < r.Service.P50 {
		t.Errorf("the response took %s, its service %s", r.Response.P50, r.Service.P50)
	}
}

func TestDropsWhatHasNoRoom(t *testing.T) {
	open := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-open:
		case <-r.Context().Done():
		}
	})
	p := plan(url, 200, 200*time.Millisecond)
	p.InFlight = 7
	time.AfterFunc(300*time.Millisecond, func() { close(open) })
	r := run(t, p, anyLag)
	if r.Offered != 40 || r.Dropped != 33 || r.OK != 7 || r.Held() || r.Lost() != 33./40 {
		t.Errorf("%+v", r)
	}
}

func TestVoidWhenTheGeneratorLags(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	r := run(t, plan(url, 100, 100*time.Millisecond), load.Config{MaxLag: time.Nanosecond})
	if r.OK != 10 || r.Void == "" || r.Held() {
		t.Errorf("%+v", r)
	}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil || !strings.HasPrefix(b.String(), "VOID: the generator was late by ") {
		t.Errorf("%s, %v", b.String(), err)
	}
}

func TestFlow(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	keys := map[string]bool{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method+" "+r.URL.EscapedPath()+" "+string(body)+" "+r.Header.Get(resilience.PriorityHeader)+" "+r.Header.Get("X-Who")+" "+r.Header.Get("Content-Type"))
		switch {
		case r.Method == http.MethodPost:
			keys[r.Header.Get("Idempotency-Key")] = true
			if c, err := r.Cookie("session"); err != nil || c.Value != "s" {
				t.Errorf("cookie %v, %v", c, err)
			}
			w.WriteHeader(http.StatusCreated)
		default:
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "s"})
			w.Header().Set("Etag", "e1")
			_, _ = io.WriteString(w, `{"items": [{"id": "a/b \"c\""}]}`)
		}
	})
	low, high := resilience.Low, resilience.High
	r := run(t, load.Plan{
		URL: url, Stages: []load.Stage{{Rate: 20, For: 100 * time.Millisecond}}, Arrivals: load.Constant,
		Vars: map[string][]string{"who": {"me"}},
		Flows: []load.Flow{{Name: "buy", Priority: &low, Headers: map[string]string{"X-Who": "${who}-${visit}"}, Steps: []load.Step{
			{Path: "/items", Capture: map[string]load.Capture{"id": {JSON: "$.items[0].id"}, "tag": {Header: "ETag"}}, Think: 50 * time.Millisecond},
			{
				Method: "POST", Path: "/items/${id}/orders", Body: `{"id": "${id}", "tag": "${tag}", "cost": "$$1"}`, Status: []int{201},
				Headers: map[string]string{"Idempotency-Key": "${unique}"}, Priority: &high,
			},
		}}},
	}, anyLag)
	if r.OK != 2 || r.Requests != 4 || len(keys) != 2 {
		t.Fatalf("%+v\n%v", r, keys)
	}
	slices.Sort(seen)
	want := []string{
		"GET /items  low me-0 ", "GET /items  low me-1 ",
		`POST /items/a%2Fb%20%22c%22/orders {"id": "a/b \"c\"", "tag": "e1", "cost": "$1"} high me-0 application/json`,
		`POST /items/a%2Fb%20%22c%22/orders {"id": "a/b \"c\"", "tag": "e1", "cost": "$1"} high me-1 application/json`,
	}
	if !slices.Equal(seen, want) {
		t.Errorf("the server saw\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
	if len(r.Priorities) != 2 || r.Priorities[0].Priority != "high" || r.Priorities[1].Requests != 2 {
		t.Errorf("%+v", r.Priorities)
	}
	// The pause is the visitor's own and no latency of the second request.
	if post := r.Steps[1]; post.Step != "POST /items/${id}/orders" || post.Response.Max >= 50*time.Millisecond {
		t.Logf("%+v", post) // a busy machine may
	}
}

func TestFailures(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/shed":
			w.Header().Set(resilience.ShedHeader, "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/moved":
			http.Redirect(w, r, "/shed", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		case "/short":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "short")
		case "/endless":
			for b := make([]byte, 1<<20); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		case "/ok":
		default:
			http.NotFound(w, r)
		}
	})
	for _, tc := range []struct {
		step   load.Step
		status string
		failed bool
		shed   int64
		says   string
	}{
		{load.Step{Path: "/ok"}, "200", false, 0, ""},
		{load.Step{Path: "/moved"}, "302", false, 0, ""},
		{load.Step{Path: "/none"}, "404", true, 0, "status 404"},
		{load.Step{Path: "/none", Status: []int{404}}, "404", false, 0, ""},
		{load.Step{Path: "/ok", Status: []int{201}}, "200", true, 0, "status 200"},
		{load.Step{Path: "/shed"}, "503", true, 1, "status 503"},
		{load.Step{Path: "/slow", Timeout: 30 * time.Millisecond}, "timeout", true, 0, "no answer in time"},
		{load.Step{Path: "/short"}, "broken", true, 0, "then its body"},
		{load.Step{Path: "/endless"}, "error", true, 0, "larger than 64 MiB"},
		{load.Step{Path: "http://127.0.0.1:1/"}, "refused", true, 0, "refused"},
		{load.Step{Path: "/ok", Capture: map[string]load.Capture{"x": {JSON: "$.x"}}}, "200", true, 0, "is not JSON"},
		{load.Step{Path: "/${later}"}, "error", true, 0, "${later} has no value"},
		{load.Step{Call: func(context.Context, *load.Visitor) (string, error) { return "", nil }}, "ok", false, 0, ""},
		{load.Step{Call: func(context.Context, *load.Visitor) (string, error) { return load.Shed, nil }}, "shed", true, 1, "no room"},
		{load.Step{Call: func(ctx context.Context, _ *load.Visitor) (string, error) { <-ctx.Done(); return "", ctx.Err() }, Timeout: time.Millisecond}, "timeout", true, 0, "in time"},
	} {
		name := fmt.Sprintf("%s %s", tc.step.Path, tc.status)
		r := run(t, plan(url, 20, 50*time.Millisecond, tc.step), anyLag)
		if s := r.Steps[0]; s.Requests != 1 || s.Status[tc.status] != 1 || (s.Failed == 1) != tc.failed || s.Shed != tc.shed || (r.Failed == 1) != tc.failed || r.Shed != tc.shed {
			t.Errorf("%s: %+v", name, r)
		}
		if says := strings.Join(r.Failures, "\n"); !strings.Contains(says, tc.says) || (says == "") != (tc.says == "") {
			t.Errorf("%s: failures %q, want %q", name, says, tc.says)
		}
	}
}

// The end of the caller's context counts neither for nor against the fleet.
func TestCutOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var came atomic.Int64
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if came.Add(1) == 5 {
			cancel()
		}
		<-r.Context().Done()
	})
	began := time.Now()
	r, err := load.Run(ctx, plan(url, 100, time.Hour), anyLag)
	if err != nil || r.Cut < 5 || r.Offered != r.Cut || r.Failed+r.OK+r.Requests != 0 || time.Since(began) > 20*time.Second || r.Lost() != 0 || r.Held() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFlowsByWeight(t *testing.T) {
	counts := [2]atomic.Int64{}
	call := func(i int) load.Step {
		return load.Step{Call: func(_ context.Context, v *load.Visitor) (string, error) {
			counts[i].Add(1)
			v.Set("x", fmt.Sprint(v.Number()))
			if x, _ := v.Get("x"); x == "" || v.Random() == nil {
				return "", errors.New("the visitor forgot")
			}
			return "", nil
		}}
	}
	p := plan("", 2000, 500*time.Millisecond)
	p.Flows = []load.Flow{{Weight: 3, Steps: []load.Step{call(0)}}, {Steps: []load.Step{call(1)}}}
	r := run(t, p, anyLag)
	if n := counts[0].Load(); n < 650 || n > 850 || n+counts[1].Load() != 1000 || r.Steps[1].Flow != "flow 2" {
		t.Errorf("%d of 1000 took the flow of weight 3 beside 1: %+v", n, r.Steps)
	}
	before := counts[0].Load()
	run(t, p, anyLag)
	if again := counts[0].Load() - before; again != before {
		t.Errorf("the same seed chose the flow %d times and %d", before, again)
	}
}

func TestSLO(t *testing.T) {
	none, half := load.Share(0), load.Share(0.5)
	for _, tc := range []struct {
		slo  load.SLO
		fail bool
		held bool
	}{
		{load.SLO{}, false, true},
		{load.SLO{}, true, false},
		{load.SLO{P99: time.Minute, P50: time.Minute, P90: time.Minute, P999: time.Minute, Failed: &none}, false, true},
		{load.SLO{P50: time.Nanosecond}, false, false},
		{load.SLO{Failed: &none}, true, false},
		{load.SLO{Failed: &half}, true, false},
		{load.SLO{P99: time.Minute}, true, true}, // it asked for no more
	} {
		p := plan("", 100, 50*time.Millisecond, load.Step{Call: func(context.Context, *load.Visitor) (string, error) {
			if tc.fail {
				return "", errors.New("no")
			}
			return "", nil
		}})
		p.SLO = tc.slo
		if r := run(t, p, anyLag); r.Held() != tc.held {
			t.Errorf("%+v, failing %v: %+v", tc.slo, tc.fail, r.SLO)
		}
	}
}

func TestResultIsForProgramsAndPeople(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	p := plan(url, 100, 100*time.Millisecond)
	p.SLO.P99 = time.Minute
	r := run(t, p, anyLag)
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back struct {
		load.Result

		Held bool `json:"held"`
	}
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if !back.Held || back.OK != 10 || back.Response.P99 != r.Response.P99 || back.Response.Count != 10 || len(back.Series) != 1 {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10 visitors in ", "10 ok, 0 failed", "seed 1", "generator's lag", "flow: GET /", "200: 10", "priority normal", "response p99", "yes"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestEachIsToldOfEveryRequest(t *testing.T) {
	var mu sync.Mutex
	var samples []load.Sample
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	run(t, plan(url, 100, 100*time.Millisecond), load.Config{MaxLag: time.Hour, Each: func(s load.Sample) {
		mu.Lock()
		defer mu.Unlock()
		samples = append(samples, s)
	}})
	slices.SortFunc(samples, func(a, b load.Sample) int { return a.Visit - b.Visit })
	for i, s := range samples {
		if s.Visit != i || s.Began.Before(s.Intended) || s.Ended.Before(s.Began) || s.Status != "200" || s.Err != nil || s.Priority != resilience.Normal {
			t.Errorf("%+v", s)
		}
		if gap := s.Intended.Sub(samples[0].Intended); gap.Round(time.Millisecond) != time.Duration(i)*10*time.Millisecond {
			t.Errorf("visit %d was due %s after the first", i, gap)
		}
	}
	if len(samples) != 10 {
		t.Errorf("%d samples", len(samples))
	}
}

func TestRunRefusesAPlan(t *testing.T) {
	good := plan("http://127.0.0.1:1", 1, time.Second)
	for want, change := range map[string]func(*load.Plan){
		"1 to 1000 stages":        func(p *load.Plan) { p.Stages = nil },
		"the time more than 0":    func(p *load.Plan) { p.Stages[0].For = 0 },
		"rates are from 0":        func(p *load.Plan) { p.Stages[0].Rate = -1 },
		"the most is 24h":         func(p *load.Plan) { p.Stages[0].For = 25 * time.Hour },
		"the most is 100000000":   func(p *load.Plan) { p.Stages[0] = load.Stage{Rate: 2000, For: 24 * time.Hour} },
		"at least one flow":       func(p *load.Plan) { p.Flows = nil },
		"it has no steps":         func(p *load.Plan) { p.Flows = []load.Flow{{}} },
		"more than 200 steps":     func(p *load.Plan) { p.Flows[0].Steps = make([]load.Step, 201) },
		"weight -1":               func(p *load.Plan) { p.Flows[0].Weight = -1 },
		"must not be negative":    func(p *load.Plan) { p.Flows[0].Steps[0].Think = -1 },
		"must begin with /":       func(p *load.Plan) { p.Flows[0].Steps[0].Path = "x" },
		"is no method":            func(p *load.Plan) { p.Flows[0].Steps[0].Method = "a b" },
		"99 is no status":         func(p *load.Plan) { p.Flows[0].Steps[0].Status = []int{99} },
		"is no name of a header":  func(p *load.Plan) { p.Flows[0].Headers = map[string]string{"a b": ""} },
		"capture \"a b\"":         func(p *load.Plan) { p.Flows[0].Steps[0].Capture = map[string]load.Capture{"a b": {}} },
		"exactly one of":          func(p *load.Plan) { p.Flows[0].Steps[0].Capture = map[string]load.Capture{"a": {}} },
		"a dollar stands alone":   func(p *load.Plan) { p.Flows[0].Steps[0].Body = "$" },
		"variable \"unique\"":     func(p *load.Plan) { p.Vars = map[string][]string{"unique": {"x"}} },
		"visitors in flight":      func(p *load.Plan) { p.InFlight = -1 },
		"the timeout is -1ns":     func(p *load.Plan) { p.Timeout = -1 },
		"arrivals are poisson or": func(p *load.Plan) { p.Arrivals = "x" },
		"must be a URL":           func(p *load.Plan) { p.URL = "ftp://x" },
	} {
		p := good
		p.Stages, p.Flows = slices.Clone(good.Stages), slices.Clone(good.Flows)
		p.Flows[0].Steps = slices.Clone(p.Flows[0].Steps)
		change(&p)
		if _, err := load.Run(t.Context(), p, load.Config{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
