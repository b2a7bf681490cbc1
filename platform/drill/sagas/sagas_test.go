package sagas

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/ops"
)

func boundaries() []crash.Boundary {
	return []crash.Boundary{
		{Index: 1, Kind: crash.Statement, What: "BEGIN", N: 1}, {Index: 2, Kind: crash.Commit, N: 1}, {Index: 3, Kind: crash.Write, What: "call", N: 1},
	}
}

func TestEachBoundaryIsCrashedAtBeforeAndAfter(t *testing.T) {
	all := points("till", begun{Flow: load.Flow{Name: "sale"}}, boundaries())
	var names []string
	for _, p := range all {
		names = append(names, p.String())
		if _, err := crash.ParsePoint(p.at.String()); err != nil {
			t.Errorf("%s cannot be given as --at: %v", p.at, err)
		}
	}
	want := []string{
		"before statement BEGIN #1 of till (sale)", "after statement BEGIN #1 of till (sale)", "before commit #1 of till (sale)",
		"after commit #1 of till (sale)", "before write call #1 of till (sale)", "after write call #1 of till (sale)",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

func TestWhatAProcessDoesByItselfIsLeftOut(t *testing.T) {
	list := boundaries()
	poll := func(n int) crash.Boundary { return crash.Boundary{Kind: crash.Statement, What: "WITH", N: n} }
	busy, quiet := append([]crash.Boundary{poll(1), poll(2), poll(3)}, list...), append(slices.Clone(list), poll(1), poll(2))
	for _, got := range [][]crash.Boundary{common(busy, quiet), common(quiet, busy)} {
		if len(got) != len(list)+2 || slices.Contains(got, poll(3)) {
			t.Errorf("%+v", got)
		}
	}
	p := &point{flow: begun{window: time.Second}}
	for n, want := range []time.Duration{1500 * time.Millisecond, 3 * time.Second, 6 * time.Second} {
		if p.tried = n; p.patience() != want {
			t.Errorf("after %d tries %s", n, p.patience())
		}
	}
	if p.flow.window = time.Minute; p.patience() > 20*time.Second {
		t.Error(p.patience())
	}
}

func TestASampleIsTheSameForASeed(t *testing.T) {
	all := points("till", begun{}, boundaries())
	for _, n := range []int{0, 6, 100} {
		if got := sampled(all, n, 1); !slices.Equal(got, all) {
			t.Errorf("a sample of %d has %d of %d", n, len(got), len(all))
		}
	}
	seen := map[*point]bool{}
	for seed := range uint64(50) {
		got := sampled(all, 3, seed)
		if !slices.Equal(got, sampled(all, 3, seed)) || len(got) != 3 {
			t.Fatalf("seed %d: %v", seed, got)
		}
		last := -1
		for _, p := range got {
			at := slices.Index(all, p)
			if at <= last {
				t.Errorf("seed %d: not in order, or twice: %v", seed, got)
			}
			last, seen[p] = at, true
		}
	}
	if len(seen) != len(all) {
		t.Errorf("of %d points %d are ever chosen", len(all), len(seen))
	}
}

// event is one of a saga's history, so many milliseconds after it was created.
func event(outcome string, ms int) saga.Event {
	return saga.Event{Outcome: outcome, At: at(ms)}
}

func at(ms int) time.Time { return time.UnixMilli(1_000_000 + int64(ms)) }

func TestATakeoverIsTimedWhereThereIsOne(t *testing.T) {
	for name, tc := range map[string]struct {
		history []saga.Event
		died    int
		want    time.Duration
		is      bool
	}{
		"in the middle of a step":      {[]saga.Event{event("started", 0), event("done", 5), event("done", 900)}, 10, 890 * time.Millisecond, true},
		"before its first":             {[]saga.Event{event("started", 0), event("done", 60)}, 10, 50 * time.Millisecond, true},
		"it waited for an answer":      {[]saga.Event{event("started", 0), event("waits", 5), event("done", 900)}, 10, 0, false},
		"it had ended":                 {[]saga.Event{event("started", 0), event("done", 5)}, 10, 0, false},
		"it began only then":           {[]saga.Event{event("started", 0), event("done", 900)}, -5, 0, false},
		"recorded in that millisecond": {[]saga.Event{event("started", 0), event("done", 10), event("done", 30)}, 10, 20 * time.Millisecond, true},
	} {
		one := saga.Detail{History: tc.history}
		one.Created = at(0)
		took, is := tookOver(one, at(tc.died))
		if is != tc.is || is && took != tc.want {
			t.Errorf("%s: %s, %v", name, took, is)
		}
	}
}

func TestChecksAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "--check is empty",
		"GET":               "write GET and one path",
		"GET check":         "write GET and one path",
		"GET /a /b":         "write GET and one path",
		"no-such-command -": "executable file not found",
		"GET /check":        "",
		"http://h/check":    "",
		"GET https://h/x":   "",
	} {
		if _, err := ParseCheck(text); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAnURLIsAsked(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/good" {
			http.Error(w, "three too many", http.StatusConflict)
		}
	}))
	defer s.Close()
	for text, want := range map[string]string{"GET /good": "", "GET /bad": "answered 409", s.URL + "/good": "", "GET http://127.0.0.1:1/": "refused"} {
		c, err := ParseCheck(text)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Of(Place{Edge: s.URL})(t.Context())
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestPeopleAreWaitedForByNobody(t *testing.T) {
	paused := ops.Saga{Entry: saga.Entry{Name: "sell", ID: "x", State: saga.Paused, Step: "take", Error: "boom"}}
	if got := (seen{fresh: []ops.Saga{paused}}).wrong(); got != "sell/x is paused at the step take: boom" {
		t.Errorf("%q", got)
	}
	if got := (seen{parked: "1 messages of x are parked for a person"}).wrong(); got == "" {
		t.Error("a parked message is nothing wrong")
	}
	if got := (seen{busy: "something"}).wrong(); got != "" {
		t.Errorf("what is busy is wrong already: %q", got)
	}
}

// judged is the report of a drill of these points, of which some were crashed at.
func judged(chosen, crashed []*point, violated *point) *drill.Report {
	d := &drive{cfg: Config{Again: func(service, flow, point string) string { return service + " " + flow + " " + point }}, tally: newTally()}
	d.tally.crashed, d.tally.violated = crashed, violated
	if violated != nil {
		d.tally.wrong = "2 pieces"
	}
	return d.report(len(chosen), chosen)
}

func TestAReportHoldsOnlyWhereAllWasCrashedAt(t *testing.T) {
	all := points("till", begun{Flow: load.Flow{Name: "sale"}}, boundaries())
	if r := judged(all, all, nil); !r.Held() {
		t.Errorf("%+v", r.Rows)
	}
	r := judged(all, all[:5], nil)
	if r.Held() || !strings.Contains(strings.Join(r.Notes, "\n"), "not come to in 3 tries: after write call #1 of till (sale)") {
		t.Errorf("%+v", r)
	}
	if r := judged(all, nil, nil); r.Held() {
		t.Errorf("nothing was crashed, and it held: %+v", r.Rows)
	}
	r = judged(all, all[:4], all[3])
	if r.Held() || !strings.Contains(strings.Join(r.Notes, "\n"), "only this again: till sale after commit #1") || !strings.Contains(r.Err().Error(), "after commit #1 of till (sale): 2 pieces") {
		t.Errorf("%+v: %v", r, r.Err())
	}
	d := &drive{tally: newTally()}
	d.tally.crashed = all
	d.tally.takeovers.Record(6 * time.Second)
	if r := d.report(len(all), all); r.Held() {
		t.Errorf("taken over after 6 s, and it held: %+v", r.Rows)
	}
}

func TestAConfigIsChecked(t *testing.T) {
	plan := load.Plan{Flows: []load.Flow{{Name: "sale"}, {}}}
	for name, tc := range map[string]struct {
		cfg  Config
		want string
	}{
		"all":          {Config{Plan: plan}, ""},
		"a flow":       {Config{Plan: plan, Flow: "sale"}, ""},
		"one unnamed":  {Config{Plan: plan, Flow: "flow 2"}, ""},
		"a wrong flow": {Config{Plan: plan, Flow: "sole"}, `no flow "sole"; did you mean "sale"?`},
		"less":         {Config{Plan: plan, Sample: -1}, "a sample of -1 points"},
		"two services": {Config{Plan: plan, Only: &crash.Point{At: "commit #1", Side: crash.Before}, Services: []string{"a", "b"}}, "say of which, not a and b"},
	} {
		if err := tc.cfg.Validate(); (tc.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestACheckMayBeLate(t *testing.T) {
	asked := 0
	late := func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	}
	d := &drive{cfg: Config{Check: late}.withDefaults()}
	if err := d.check(t.Context()); err != nil || asked != 3 {
		t.Errorf("%v after %d", err, asked)
	}
	d.cfg.Check, d.cfg.Within = func(context.Context) error { return errors.New("never") }, time.Millisecond
	if err := d.check(t.Context()); err == nil || !strings.Contains(err.Error(), "the check does not hold: never") {
		t.Error(err)
	}
}
