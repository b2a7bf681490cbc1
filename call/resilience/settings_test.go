package resilience_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/strictyaml"
)

const written = `
timeout: 2s
retry: {attempts: 2, backoff: 5ms}
budget: {share: 12.5%, floor: 3}
breaker: {window: 20s, min_calls: 10, failures: 40%, slow_calls: 80%, slow_after: 300ms, open: 1s, probes: 1, fail_open: true}
bulkhead: {max: 50, queue: 20, wait: 100ms}
hedge: {quantile: 99%, least: 2ms}
fallback: {last_good: 5m, entries: 10, value: "[]"}
`

var meant = resilience.Settings{
	Timeout: 2 * time.Second,
	Retry:   resilience.Retry{Attempts: 2, Backoff: 5 * time.Millisecond},
	Budget:  resilience.BudgetSettings{Share: 0.125, Floor: 3},
	Breaker: &resilience.BreakerSettings{
		Window: 20 * time.Second, MinCalls: 10, Failures: 0.4, SlowCalls: 0.8, SlowAfter: 300 * time.Millisecond,
		Open: time.Second, Probes: 1, FailOpen: true,
	},
	Bulkhead: &resilience.BulkheadSettings{Max: 50, Queue: 20, Wait: 100 * time.Millisecond},
	Hedge:    &resilience.HedgeSettings{Quantile: 0.99, Least: 2 * time.Millisecond},
	Fallback: &resilience.FallbackSettings{LastGood: 5 * time.Minute, Entries: 10, Value: "[]"},
}

// fromYAML decodes as muster.yaml does.
func fromYAML(t *testing.T, text string, into *resilience.Settings) error {
	t.Helper()
	var errs strictyaml.Collector
	if n := strictyaml.Parse("muster.yaml", []byte(text), &errs); n != nil {
		if err := n.Decode("the policies", into); err != nil {
			t.Fatal(err)
		}
	}
	return errs.Err()
}

func TestSettingsFromAFile(t *testing.T) {
	var got resilience.Settings
	if err := fromYAML(t, written, &got); err != nil || !reflect.DeepEqual(got, meant) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, got, meant)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	var chosen resilience.Settings
	if err := fromYAML(t, "breaker: {}\n", &chosen); err != nil || chosen.Breaker == nil || chosen.Hedge != nil {
		t.Errorf("breaker: {} gave %+v, %v", chosen, err)
	}
}

func TestSettingsAsJSON(t *testing.T) {
	data, err := json.Marshal(meant)
	if err != nil {
		t.Fatal(err)
	}
	var got resilience.Settings
	if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got, meant) {
		t.Fatalf("%v\n%s\n got %+v\nwant %+v", err, data, got, meant)
	}
	if !strings.Contains(string(data), `"share":"12.5%"`) || !strings.Contains(string(data), `"slow_after":"300ms"`) {
		t.Errorf("written as %s", data)
	}
	if data, err := json.Marshal(resilience.Settings{Breaker: &resilience.BreakerSettings{}}); err != nil || string(data) != `{"breaker":{}}` {
		t.Errorf("a breaker with its defaults is written as %s, %v", data, err)
	}
	base := meant.Clone()
	if err := json.Unmarshal([]byte(`{"timeout":"1s","breaker":{"probes":7},"hedge":null}`), &base); err != nil {
		t.Fatal(err)
	}
	if base.Timeout != time.Second || base.Breaker.Probes != 7 || base.Breaker.MinCalls != 10 || base.Hedge != nil || base.Retry.Attempts != 2 {
		t.Errorf("what is not named does not stay: %+v", base)
	}
	if meant.Breaker.Probes != 1 {
		t.Error("a clone shares with what it was made from")
	}
}

func TestJSONThatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"braeker":{}}`:                `did you mean "breaker"?`,
		`{"breaker":{"windw":"1s"}}`:    `"breaker.windw"; did you mean "window"?`,
		`{"timeout":2}`:                 `timeout wants a duration such as "200ms"; found 2`,
		`{"timeout":"2"}`:               `timeout wants a duration`,
		`{"budget":{"share":0.1}}`:      `budget.share`,
		`{"budget":{"share":"110%"}}`:   `from 0% to 100%`,
		`{"breaker":[]}`:                `breaker`,
		`{"retry":{"attempts":"many"}}`: `retry.attempts`,
	} {
		s := meant.Clone()
		if err := json.Unmarshal([]byte(text), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", text, err, want)
		}
		if !reflect.DeepEqual(s, meant) {
			t.Errorf("%s: an error left changes", text)
		}
	}
}

func TestSettingsOutOfRange(t *testing.T) {
	bad := resilience.Settings{
		Retry:    resilience.Retry{Attempts: 11},
		Budget:   resilience.BudgetSettings{Share: resilience.Share(math.NaN()), Floor: -2},
		Breaker:  &resilience.BreakerSettings{Window: time.Nanosecond, Failures: 1.5, SlowAfter: time.Second, Open: -1},
		Bulkhead: &resilience.BulkheadSettings{Wait: time.Second},
		Hedge:    &resilience.HedgeSettings{After: time.Second, Quantile: 1},
		Fallback: &resilience.FallbackSettings{},
	}
	e, ok := errors.AsType[*problem.Error](bad.Validate())
	if !ok || e.Code != problem.InvalidArgument {
		t.Fatalf("%v is no problem", bad.Validate())
	}
	found := ""
	for _, d := range e.Details {
		found += d.Field + ": " + d.Reason + "\n"
	}
	for _, want := range []string{
		"retry.attempts: is 11; it goes from 0 to 10", "budget.share: is NaN%", "budget.floor: is -2", "breaker.window: is 1ns; it goes from 10ms to 1h0m0s",
		"breaker.failures: is 150%", "breaker.open: is -1ns", "breaker.slow_after: does nothing without slow_calls", "bulkhead.wait: does nothing",
		"hedge.quantile: is 100%", "hedge.quantile: does nothing beside after", "fallback: falls back on nothing",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("missing %q in\n%s", want, found)
		}
	}
	for _, good := range []resilience.Settings{{}, resilience.Default(), meant} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func TestDefaultIsWhatTheZeroValueMeans(t *testing.T) {
	written, zero := resilience.NewTarget(resilience.Default()), &resilience.Target{}
	for i := range 200 {
		now := epoch.Add(time.Duration(i) * 100 * time.Millisecond)
		for _, target := range []*resilience.Target{written, zero} {
			target.Budget().Earn(now)
		}
		if a, b := written.Budget().Spend(now), zero.Budget().Spend(now); a != b {
			t.Fatalf("after %d: %v and %v", i, a, b)
		}
	}
}

func FuzzShare(f *testing.F) {
	for _, s := range []string{"10%", "0.5 %", "100%", "101%", "-1%", "NaN%", "1e1%", "%", "", "10", "10%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s resilience.Share
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if !(s >= 0 && s <= 1) {
			t.Fatalf("%q is read as %v", text, float64(s))
		}
		var again resilience.Share
		if err := again.UnmarshalText([]byte(s.String())); err != nil || math.Abs(float64(again-s)) > 1e-6 {
			t.Fatalf("%q is %s, and that is %v, %v", text, s, float64(again), err)
		}
	})
}

func FuzzSettings(f *testing.F) {
	data, err := json.Marshal(meant)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"breaker":null,"retry":{"attempts":1e3}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, again resilience.Settings
		if json.Unmarshal(data, &s) != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil || json.Unmarshal(out, &again) != nil {
			t.Fatalf("%s was read, written as %s, %v", data, out, err)
		}
		_ = s.Validate()
	})
}
