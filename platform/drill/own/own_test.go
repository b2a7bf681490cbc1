package own

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/load"
)

const (
	shop = `
fleet: f
services:
  page: {run: ./page, replicas: 2, route: [/page]}
  stock: {run: ./stock, replicas: 3}
  mail: {run: ./mail, port: 2525, replicas: 1}
  zero: {run: ./zero, replicas: 0}
`
	visits = `
load:
  rate: 20/s
  for: 10s
  flows:
    pages: {steps: [{request: GET /page}]}
    looks: {steps: [{request: GET /page?look=1}]}
`
)

// open reads a fleet and a load from a folder of their own.
func open(t *testing.T, fleet, plan string) (*Fleet, error) {
	t.Helper()
	dir := t.TempDir()
	files := Files{Fleet: filepath.Join(dir, "muster.yaml"), Load: filepath.Join(dir, "load.yaml")}
	for name, text := range map[string]string{files.Fleet: fleet, files.Load: plan} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if plan == "" {
		files.Load = ""
	}
	return Open(files)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	kubernetes := "environments: {development: {on: kubernetes, database: postgres}}\n"
	for name, tc := range map[string]struct{ fleet, plan, want string }{
		"no load":        {shop, "", "--load is missing: a file that says who comes while something breaks, such as\nload:"},
		"with a route":   {shop, "", "request: GET /page"},
		"another fleet":  {shop, strings.Replace(visits, "rate:", "url: http://10.0.0.1:8080\n  rate:", 1), "url: http://10.0.0.1:8080 is not this fleet's edge: leave url out"},
		"its dashboard":  {shop, strings.Replace(visits, "rate:", "url: http://127.0.0.1:8081\n  rate:", 1), "is not this fleet's edge"},
		"a whole URL":    {shop, strings.Replace(visits, "GET /page}", "GET http://example.com/}", 1), `the request "http://example.com/" goes elsewhere: write its path alone`},
		"a bad load":     {shop, strings.Replace(visits, "rate", "rte", 1), `unknown key "rte"`},
		"on Kubernetes":  {shop + kubernetes, visits, "is on kubernetes: a drill runs fleets on this machine"},
		"a bad fleet":    {"fleet: f\nservice: {}\n", visits, `unknown key "service"`},
		"an empty fleet": {"", visits, "muster.yaml"},
	} {
		_, err := open(t, tc.fleet, tc.plan)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	// the example that is offered is one
	_, err := open(t, shop, "")
	_, text, _ := strings.Cut(err.Error(), "\n")
	if _, err := open(t, shop, text); err != nil || !errors.Is(mistakef("x"), muster.ErrConfig) {
		t.Errorf("the example cannot be used: %v", err)
	}
	// the edge's own address is no elsewhere
	if _, err := open(t, shop, strings.Replace(visits, "rate:", "url: http://localhost:8080/\n  rate:", 1)); err != nil {
		t.Error(err)
	}
}

func TestDrillsWantServicesThatFit(t *testing.T) {
	f, err := open(t, shop, visits)
	if err != nil {
		t.Fatal(err)
	}
	single, err := open(t, "fleet: f\nservices: {page: {run: ./page, route: /page}}\n", visits)
	if err != nil {
		t.Fatal(err)
	}
	named := func(names ...string) Terms { return Terms{For: time.Second, Services: names} }
	cut := func(f *Fleet, w Way) error { _, err := f.Partition(Terms{For: time.Second}, w); return err }
	for want, drill := range map[string]func() (*Drill, error){
		`there is no service "pgae" in the fleet; did you mean "page"?`: func() (*Drill, error) { return f.ServiceDown(named("pgae")) },
		"there is no service \"nobody\" in the fleet; the services are": func() (*Drill, error) { return f.RetryStorm(named("nobody")) },
		"service mail has 1 replica: this drill breaks one":             func() (*Drill, error) { return f.SlowReplica(named("mail")) },
		"no service of the fleet has two replicas":                      func() (*Drill, error) { return single.RegistryDown(named()) },
		"service zero has 0 replicas: this drill breaks one":            func() (*Drill, error) { return f.ServiceDown(named("zero")) },
		"service zero has 0 replicas: there is nobody to slow down":     func() (*Drill, error) { return f.RetryStorm(named("page", "zero")) },
		"service zero has 0 replicas: there is nobody to move":          func() (*Drill, error) { return f.Readdress(named("zero")) },
		"service mail cannot move: muster.yaml says its port":           func() (*Drill, error) { return f.Readdress(named("page", "mail")) },
		"--service is missing: whose replicas are all to be slow":       func() (*Drill, error) { return f.RetryStorm(named()) },
		"--service: a spike meets the whole fleet":                      func() (*Drill, error) { return f.TrafficSpike(named("page")) },
		"--from and --to are missing":                                   func() (*Drill, error) { return nil, cut(f, Way{To: "page"}) },
		"--from and --to are both page":                                 func() (*Drill, error) { return nil, cut(f, Way{From: "page", To: "page"}) },
		"there is no service \"edge\" in the fleet":                     func() (*Drill, error) { return nil, cut(f, Way{From: "page", To: "edge"}) },
		"--delay must be 0s to 1m0s, not -1s":                           func() (*Drill, error) { return nil, cut(f, Way{From: "page", To: "stock", Delay: -time.Second}) },
		`load.yaml has no flow "page"; did you mean "pages"?`: func() (*Drill, error) {
			return nil, cut(f, Way{From: "page", To: "stock", Unaffected: []string{"page"}})
		},
		"--service: a partition is between two services; say --from and ": func() (*Drill, error) { return f.Partition(named("page"), Way{From: "page", To: "stock"}) },
	} {
		if _, err := drill(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if list, err := f.replicated(nil); err != nil || strings.Join(list, " ") != "page stock" {
		t.Errorf("%v, %v", list, err)
	}
	if err := cut(f, Way{From: "edge", To: "page", Unaffected: []string{"looks"}}); err != nil {
		t.Error(err)
	}
	if _, err := f.Readdress(named()); err != nil {
		t.Error(err)
	}
}

func TestTermsOverTheFile(t *testing.T) {
	f, err := open(t, shop, strings.Replace(visits, "rate: 20/s\n  for: 10s", "stages: [{rate: 5/s, to: 30/s, for: 5s}, {rate: 10/s, for: 5s}]\n  seed: 7", 1))
	if err != nil {
		t.Fatal(err)
	}
	if p, rate := f.ready(Terms{}); rate != 30 || p.Seed != 7 || p.Timeout != patience {
		t.Errorf("%v a second, seed %d, timeout %s", rate, p.Seed, p.Timeout)
	}
	if p, rate := f.ready(Terms{Rate: 50, Seed: 9}); rate != 50 || p.Seed != 9 {
		t.Errorf("%v a second, seed %d", rate, p.Seed)
	}
}

// held returns what a report's rows came to, by what they begin with.
func held(t *testing.T, r *drill.Report, what string) bool {
	t.Helper()
	for _, row := range r.Rows {
		if strings.Contains(row.What, what) {
			return row.Held
		}
	}
	t.Errorf("no row %q in %+v", what, r.Rows)
	return false
}

func TestAttemptsAreJudgedByHop(t *testing.T) {
	a, b := hop{"page", "page-1", "stock"}, hop{"page", "page-2", "stock"}
	for name, tc := range map[string]struct {
		was, now map[hop]made
		held     bool
	}{
		"one each":              {map[hop]made{a: {100, 100}}, map[hop]made{a: {1100, 1100}}, true},
		"a tenth more":          {map[hop]made{a: {100, 100}}, map[hop]made{a: {1100, 1200}}, true},
		"a storm":               {map[hop]made{a: {100, 100}}, map[hop]made{a: {1100, 3100}}, false},
		"a storm of one of two": {map[hop]made{}, map[hop]made{a: {1000, 1000}, b: {1000, 3000}}, false},
		"what was before":       {map[hop]made{a: {1000, 3000}}, map[hop]made{a: {2000, 4000}}, true},
		"few calls, by budget":  {map[hop]made{}, map[hop]made{a: {4, 12}}, true},
		"started again":         {map[hop]made{a: {1000, 1000}}, map[hop]made{a: {3, 3}}, false},
		"nobody can be asked":   {nil, nil, false},
	} {
		r := &drill.Report{}
		attempts(r, "slow", tc.was, tc.now, 2*time.Second)
		if got := held(t, r, "attempts for a call"); got != tc.held {
			t.Errorf("%s: held %v: %+v", name, got, r.Rows)
		}
	}
}

func TestTheMostImportantAreJudgedWhereTheyFit(t *testing.T) {
	of := func(critical, failed, normal int64) load.Result {
		return load.Result{Requests: critical + normal, Priorities: []load.Requests{{Priority: "critical", Requests: critical, Failed: failed}, {Priority: "normal", Requests: normal}}}
	}
	r := &drill.Report{}
	if top(r, "spike", of(100, 0, 900)); !r.Held() {
		t.Errorf("%+v", r.Rows)
	}
	r = &drill.Report{}
	if top(r, "spike", of(100, 1, 900)); r.Held() {
		t.Errorf("one of a hundred failed and it held: %+v", r.Rows)
	}
	r = &drill.Report{}
	if top(r, "spike", of(500, 100, 500)); len(r.Rows) > 0 || len(r.Notes) != 1 {
		t.Errorf("half of all need not fit: %+v", r)
	}
	r = &drill.Report{}
	if top(r, "spike", load.Result{Requests: 5, Priorities: []load.Requests{{Priority: "normal", Requests: 5}}}); len(r.Rows) > 0 || len(r.Notes) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestACutIsJudged(t *testing.T) {
	got := load.Result{Requests: 20, OK: 15, Steps: []load.Requests{
		{Flow: "pages", Step: "GET /page", Requests: 10, Failed: 5, Status: map[string]int64{"200": 5, "502": 5}},
		{Flow: "looks", Step: "GET /look", Requests: 10, Status: map[string]int64{"200": 10}},
	}}
	r := &drill.Report{}
	if judgeCut(r, "cut", got, []string{"looks"}); !r.Held() || !strings.Contains(strings.Join(r.Notes, "\n"), "pages: 5 of 10 requests failed") {
		t.Errorf("%+v", r)
	}
	r = &drill.Report{}
	if judgeCut(r, "cut", got, []string{"pages"}); held(t, r, "failed requests of pages") {
		t.Error("what was to be spared failed, and it held")
	}
	got.Steps[0].Status = map[string]int64{"200": 5, "timeout": 5}
	r = &drill.Report{}
	if judgeCut(r, "cut", got, nil); held(t, r, "requests without an answer") {
		t.Error("requests had no answer, and it held")
	}
}

// A port that somebody has, as the same fleet in earnest may, is replaced; others stay.
func TestTakenPortsAreReplaced(t *testing.T) {
	taken := taken(t)
	f, err := open(t, fmt.Sprintf("edge: {port: %d}\ncontrol: {port: 0}\n", taken)+shop, visits)
	if err != nil {
		t.Fatal(err)
	}
	if err := choosePorts(f.spec); err != nil {
		t.Fatal(err)
	}
	if e := f.spec.Edge; e.Port == taken || e.Port == 0 || f.spec.Control.Port != 0 {
		t.Errorf("%+v, %+v", e, f.spec.Control)
	}
}

// The ports that programs of the fleet have written down are theirs, or the drill's load
// would go into the fleet that has them.
func TestPortsOfProgramsAreNotReplaced(t *testing.T) {
	taken := taken(t)
	for want, set := range map[string]func(*fleet.Fleet){
		"edge.local":                         func(f *fleet.Fleet) { f.Edge.Local = taken },
		fmt.Sprintf("at edge.tcp.%d", taken): func(f *fleet.Fleet) { f.Edge.TCP = []fleet.TCPPort{{Port: taken}} },
	} {
		f, err := open(t, shop, visits)
		if err != nil {
			t.Fatal(err)
		}
		set(f.spec)
		_, err = f.Start(t.Context(), t.TempDir(), nil)
		if !errors.Is(err, muster.ErrConfig) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "end the fleet first") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// taken returns a port that is listened on until the test ends.
func taken(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// What nobody calls can be broken without anybody seeing it.
func TestABrokenServiceMustBeUsed(t *testing.T) {
	f, err := open(t, shop, visits)
	if err != nil {
		t.Fatal(err)
	}
	a, b := hop{"edge", "edge", "page"}, hop{"page", "page-1", "stock"}
	sums := calls(map[hop]made{a: {10, 10}, b: {10, 10}}, map[hop]made{a: {10, 12}, b: {3, 3}}) // page-1 began anew
	r := &drill.Report{}
	for _, name := range []string{"page", "stock"} {
		f.judgeUsed(r, name, sums[name])
	}
	if held(t, r, "page is used") || !held(t, r, "stock is used") {
		t.Errorf("%+v", r.Rows)
	}
	for i := range f.spec.Services {
		f.spec.Services[i].TCP = true
	}
	r = &drill.Report{}
	if f.judgeUsed(r, "page", 0); len(r.Rows) != 0 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "not judged") {
		t.Errorf("%+v", r)
	}
}

func TestMoreThanALoadMayHaveIsRefused(t *testing.T) {
	f, err := open(t, shop, visits)
	if err != nil {
		t.Fatal(err)
	}
	terms := Terms{For: time.Second, Rate: 50_000}
	if err := f.Fits(terms); err != nil {
		t.Error(err)
	}
	if _, err := f.TrafficSpike(terms); !errors.Is(err, muster.ErrConfig) {
		t.Errorf("three times 50,000/s: %v", err)
	}
	if err := f.Fits(Terms{For: time.Hour, Rate: 100_000}); !errors.Is(err, muster.ErrConfig) {
		t.Errorf("%v", err)
	}
}
