package limit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/limit"
	"github.com/musterdev/muster/problem"
)

func epoch() time.Time { return time.Unix(1_700_000_000, 0) }

func env() filter.Env {
	return filter.Env{Name: "fair", Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}
}

func build(t testing.TB, env filter.Env, with string) filter.Filter {
	t.Helper()
	f, err := limit.Make(t.Context(), env, json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.(filter.Closer).Close() })
	return f
}

func from(addr string, at time.Duration) *filter.Request {
	return &filter.Request{Client: netip.MustParseAddr(addr), Began: epoch().Add(at), Fields: &filter.Header{}, Route: "/v1"}
}

// passes returns how many of so many requests pass.
func passes(t testing.TB, f filter.Filter, times int, r func() *filter.Request) (passed int) {
	t.Helper()
	for range times {
		err := f.Request(t.Context(), r())
		if err != nil && problem.CodeOf(err) != problem.ResourceExhausted {
			t.Fatal(err)
		}
		if err == nil {
			passed++
		}
	}
	return passed
}

func TestLimit(t *testing.T) {
	f := build(t, env(), `{"rate":"10/s burst 5"}`)
	one := func(addr string, at time.Duration) func() *filter.Request {
		return func() *filter.Request { return from(addr, at) }
	}
	for i, c := range []struct {
		addr string
		at   time.Duration
		want int
	}{
		{"192.0.2.1", 0, 5},
		{"192.0.2.2", 0, 5},
		{"192.0.2.1", 100 * time.Millisecond, 1},
		{"192.0.2.1", time.Hour, 5},
		{"2001:db8::1", 0, 5},
		{"2001:db8::2", 0, 0},
		{"2001:db8:0:1::1", 0, 5},
	} {
		if n := passes(t, f, 20, one(c.addr, c.at)); n != c.want {
			t.Errorf("%d: %s at %s: %d pass, want %d", i, c.addr, c.at, n, c.want)
		}
	}
}

func TestWhatIsSaid(t *testing.T) {
	f := build(t, env(), `{"name":"fair","rate":"30/m burst 2","by":"subject","tell":true}`)
	var said [][4]string
	for range 3 {
		r := from("192.0.2.1", 0)
		r.Subject.ID = "u1"
		err := f.Request(t.Context(), r)
		var after, message string
		if p, ok := errors.AsType[*problem.Error](err); ok {
			after, message = p.RetryAfter.String(), p.Message
			if p.HTTPStatus() != 429 {
				t.Errorf("the status is %d", p.HTTPStatus())
			}
		}
		said = append(said, [4]string{r.Reply.Get("RateLimit-Policy"), r.Reply.Get("RateLimit"), after, message})
	}
	want := [][4]string{
		{`"fair";q=2;w=4`, `"fair";r=1`, "", ""},
		{`"fair";q=2;w=4`, `"fair";r=0`, "", ""},
		{`"fair";q=2;w=4`, `"fair";r=0;t=2`, "2s", "no more than 30/m burst 2 are taken by subject; nothing was done"},
	}
	if fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("got %q\nwant %q", said, want)
	}
}

// A request that one rule refuses takes nothing off another.
func TestRulesTogether(t *testing.T) {
	f := build(t, env(), `{"rules":[{"rate":"100/h burst 100","by":"all"},{"rate":"1/s burst 1"}]}`)
	if n := passes(t, f, 1000, func() *filter.Request { return from("192.0.2.1", 0) }); n != 1 {
		t.Fatalf("%d pass", n)
	}
	i := 0
	if n := passes(t, f, 1000, func() *filter.Request { i++; return from(fmt.Sprintf("10.0.%d.%d", i/256, i%256), 0) }); n != 99 {
		t.Errorf("%d more pass, want 99", n)
	}
}

func TestDryRun(t *testing.T) {
	e := env()
	f := build(t, e, `{"rate":"1/s","dry_run":true}`)
	if n := passes(t, f, 100, func() *filter.Request { return from("192.0.2.1", 0) }); n != 100 {
		t.Errorf("%d pass", n)
	}
	if n := counted(t, e, "muster_edge_limit_dry_refused_total"); n != 99 {
		t.Errorf("%v are counted", n)
	}
}

func counted(t testing.TB, e filter.Env, name string) (sum float64) {
	t.Helper()
	families, err := e.Metrics.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// More keys than are counted apart: memory stays, who is known keeps its count, and all the
// others together get no more than a few.
func TestCrowd(t *testing.T) {
	e := env()
	f := build(t, e, `{"rate":"1/h burst 2","keys":640}`)
	i := 0
	n := passes(t, f, 20_000, func() *filter.Request { i++; return from(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), 0) })
	if n > 640+2*64*16 || n < 640 {
		t.Errorf("%d pass", n)
	}
	if counted(t, e, "muster_edge_limit_crowded_total") < 18_000 || counted(t, e, "muster_edge_limit_refused_total") != float64(20_000-n) {
		t.Error("the crowd is not counted")
	}
	// a filter of the same name goes on counting, as after a change of the table
	build(t, e, `{"rate":"2/h"}`)
	if counted(t, e, "muster_edge_limit_refused_total") != float64(20_000-n) {
		t.Error("a change of the filter begins the counts anew")
	}
}

// Whatever comes when, no key gets more than its rate and a burst.
func TestNeverMore(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 3))
		r := quota.Rate{Count: 1 + random.IntN(20), Per: time.Second, Burst: 1 + random.IntN(10)}
		text, _ := r.MarshalText()
		f := build(t, env(), fmt.Sprintf(`{"rate":%q,"keys":64}`, text))
		passed := map[int]int{}
		now := time.Duration(0)
		for range 3000 {
			now += time.Duration(random.Int64N(int64(10 * time.Millisecond)))
			who := random.IntN(4)
			passed[who] += passes(t, f, 1, func() *filter.Request { return from(fmt.Sprintf("10.0.0.%d", who), now) })
		}
		for who, n := range passed {
			if most := r.Burst + int(now.Seconds()*float64(r.Count)) + 1; n > most {
				t.Errorf("seed %d: %d got %d of %d in %s", seed, who, n, most, now)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for with, want := range map[string]string{
		`{}`: "rate", `{"rate":"x"}`: "", `{"rules":[{}]}`: "rules[0].rate", `{"rate":"1/s","rules":[{"rate":"1/s"}]}`: "rules",
		`{"rules":[{"name":"a","rate":"1/s"},{"name":"a","rate":"1/s"}]}`: "rules[1].name", `{"rate":"1/s","name":"a b"}`: "rules[0].name",
		`{"rate":"1/s","keys":-1}`: "keys", `{"rate":"1/s","by":"x"}`: "", `{"rate":"1/s","shared":true}`: "shared", `{"rate":"1/s","shared":{"gateways":-1}}`: "shared.gateways",
	} {
		_, err := limit.Make(t.Context(), env(), json.RawMessage(with))
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Code != problem.InvalidArgument || len(p.Details) == 0 || p.Details[0].Field != want {
			t.Errorf("%s: %+v, want a mistake in %q", with, err, want)
		}
	}
	var log bytes.Buffer
	e := env()
	e.Log = slog.New(slog.NewTextHandler(&log, nil))
	alone := build(t, e, `{"rate":"1/h burst 4","shared":{}}`)
	if n := passes(t, alone, 10, func() *filter.Request { return from("192.0.2.1", 0) }); n != 4 || !strings.Contains(log.String(), "shared with nobody") {
		t.Errorf("without a broker %d pass, want 4, and the log says %s", n, log.String())
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"rate":"10/s burst 3","by":["client","route"],"tell":true}`))
	f.Add([]byte(`{"rules":[{"rate":"1/s"},{"rate":"1/h","by":"all"}]}`))
	f.Fuzz(func(t *testing.T, with []byte) {
		if len(with) > 1000 || strings.Contains(string(with), "keys") {
			return // memory
		}
		e := env()
		e.Check = true
		made, err := limit.Make(t.Context(), e, with)
		if err != nil {
			if problem.CodeOf(err) != problem.InvalidArgument {
				t.Errorf("%s: %v", with, err)
			}
			return
		}
		_ = made.Request(t.Context(), from("192.0.2.1", 0))
	})
}

func BenchmarkLimit(b *testing.B) {
	f := build(b, env(), `{"rate":"1000000/s","by":"subject"}`)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		r := from("192.0.2.1", 0)
		r.Subject = filter.Subject{ID: fmt.Sprint("user-", rand.IntN(1000)), Issuer: "https://issuer.example"}
		for p.Next() {
			r.Began = r.Began.Add(time.Microsecond)
			_ = f.Request(b.Context(), r)
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	f := build(t, env(), `{"rules":[{"rate":"1000000/s","by":"subject"},{"rate":"1000000/s"}]}`)
	r := from("192.0.2.1", 0)
	r.Subject.ID = "u1"
	if n := testing.AllocsPerRun(1000, func() { r.Began = r.Began.Add(time.Millisecond); _ = f.Request(t.Context(), r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
