package storm

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/supervise/guard"
)

// The test's program is its own guardian and its own stages.
func TestMain(m *testing.M) {
	switch strings.Join(os.Args[1:], " ") {
	case "engine guardian":
		os.Exit(guard.Main(os.Stdin, os.Stdout))
	case "stage":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := stage.Run(ctx, os.LookupEnv, os.Stderr)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func show(t *testing.T, r *drill.Report) {
	t.Helper()
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + b.String())
}

// row returns the row whose text begins like this.
func row(t *testing.T, r *drill.Report, what string) drill.Row {
	t.Helper()
	for _, one := range r.Rows {
		if strings.HasPrefix(one.What, what) {
			return one
		}
	}
	t.Fatalf("no row %q: %+v", what, r.Rows)
	return drill.Row{}
}

// A short storm on real processes, of what even a busy machine bears: that nothing is
// repeated and nothing is done in vain does not depend on how fast it is.
func TestRetryStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a fleet of four processes for 17 s")
	}
	command, err := stage.Itself("stage")
	if err != nil {
		t.Fatal(err)
	}
	command.Single = true
	r, err := Retry(t.Context(), Config{Command: command, For: 3 * time.Second, Capacity: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	show(t, r)
	if r.Drill != "retry-storm" || r.Seed != 1 || len(r.Rows) != 9 {
		t.Errorf("%+v", r)
	}
	for n := range hops {
		if got := row(t, r, fmt.Sprintf("the last service at 25 %%: attempts for a call to hop-%d", n+1)); !got.Held {
			t.Errorf("%+v", got)
		}
	}
	// who cannot even ask in time cannot tell whether time was up
	if got := row(t, r, "work done for callers whose time was up"); !got.Held && row(t, r, "the generator's lag, p99").Held {
		t.Errorf("%+v", got)
	}
}

// usual is what a drill sees that goes as it should.
func usual(cfg Config, t trouble) *seen {
	s := &seen{seconds: make([]second, int((warm+cfg.For+cfg.after())/time.Second)), retries: edge{calls: 1000, attempts: 1001}}
	for i := range s.seconds {
		one := &s.seconds[i]
		one.asked = [...]int{20, 60, 240, 80}
		one.ok = one.asked
		if at := time.Duration(i) * time.Second; at >= warm && at < warm+cfg.For && t.speed < 1 {
			one.ok = [...]int{20, 60, 65, 0}
		}
	}
	for n := range hops {
		s.before[n] = stage.Counts{Calls: 1000, Attempts: 1000}
		s.trigger[n] = stage.Counts{Calls: 2000, Attempts: 2100}
		s.end[n] = stage.Counts{Begun: 9000}
	}
	return s
}

func TestJudge(t *testing.T) {
	storm := trouble{"retry-storm", slow, offered}
	in := int(warm / time.Second)
	for name, test := range map[string]struct {
		change func(*seen)
		missed string // "": all held
	}{
		"as it should be": {func(*seen) {}, ""},
		"a late generator": {func(s *seen) {
			s.result = load.Result{Void: "late"}
		}, "the generator's lag"},
		"not well before": {func(s *seen) { s.seconds[2].ok[resilience.Normal] = 0 }, "answered before"},
		"goodput":         {func(s *seen) { s.seconds[in].ok[resilience.Normal], s.seconds[in+1].ok[resilience.High] = 0, 0 }, "the last service at 25 %: answered"},
		"a critical one":  {func(s *seen) { s.seconds[in].ok[resilience.Critical]-- }, "the last service at 25 %: critical"},
		"at the edge":     {func(s *seen) { s.retries.attempts = 1151 }, "the last service at 25 %: attempts for a call to hop-1"},
		"nobody there":    {func(s *seen) { s.retries = edge{} }, "the last service at 25 %: attempts for a call to hop-1"},
		"storm":           {func(s *seen) { s.trigger[1].Attempts = 2200 }, "the last service at 25 %: attempts for a call to hop-3"},
		"in vain":         {func(s *seen) { s.end[2].Expired = 1 }, "work done for callers"},
		"late recovery":   {func(s *seen) { s.seconds[len(s.seconds)-3].ok[resilience.Low] = 30 }, "answered from 2s after it"},
	} {
		cfg := Config{For: 5 * time.Second, Capacity: 600}
		s := usual(cfg, storm)
		test.change(s)
		r := cfg.judge(storm, s)
		if r.Held() != (test.missed == "") {
			t.Errorf("%s: %+v", name, r.Rows)
		}
		if test.missed != "" && row(t, r, test.missed).Held {
			t.Errorf("%s: %q held", name, test.missed)
		}
	}
}

// With three times the load, what is possible is what the services can do.
func TestJudgeSpike(t *testing.T) {
	spike := trouble{"traffic-spike", 1, surge}
	cfg := Config{For: 5 * time.Second, Capacity: 300}
	s := usual(cfg, spike)
	if r := cfg.judge(spike, s); !r.Held() {
		t.Errorf("%+v", r.Rows)
	}
	for i := range 5 {
		s.seconds[int(warm/time.Second)+i].ok = [...]int{20, 60, 180, 0}
	}
	if got := row(t, cfg.judge(spike, s), "3x of what can be done: answered"); got.Held {
		t.Errorf("%+v", got)
	}
}

// The textbook's drill holds when it shows the collapse, and only then.
func TestJudgeTextbook(t *testing.T) {
	storm := trouble{"retry-storm", slow, offered}
	cfg := Config{For: 5 * time.Second, Capacity: 100, Textbook: true}
	s := usual(cfg, storm)
	if r := cfg.judge(storm, s); r.Held() {
		t.Errorf("it recovered, and the drill held: %+v", r.Rows)
	}
	for i := int(warm / time.Second); i < len(s.seconds); i++ {
		s.seconds[i].ok = [resilience.Priorities]int{}
	}
	if r := cfg.judge(storm, s); !r.Held() {
		t.Errorf("%+v", r.Rows)
	}
}

func TestRetriesOfTheEdge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	line := func(after time.Duration, instance string, retries int) string {
		return fmt.Sprintf(`{"time":%q,"status":200,"instance":%q,"retries":%d}`+"\n", at.Add(after).Format(time.RFC3339Nano), instance, retries)
	}
	text := line(-time.Second, "a", 5) + line(0, "a", 0) + line(time.Second, "a", 2) + line(time.Second, "", 0) + line(2*time.Second, "a", 7)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := retries(file, at, at.Add(2*time.Second)); err != nil || got != (edge{calls: 2, attempts: 4}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("what?\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := retries(file, at, at); err == nil {
		t.Error("a log that cannot be read was read")
	}
}

// Who asks, and how often, follows from the configuration.
func TestPlan(t *testing.T) {
	for textbook, after := range map[bool]time.Duration{false: after, true: afterTextbook} {
		cfg := Config{For: 10 * time.Second, Capacity: 600, Textbook: textbook, Seed: 7}
		p := cfg.plan("http://127.0.0.1:1", trouble{"traffic-spike", 1, surge})
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		if p.Stages[0].Rate != 420 || p.Stages[1].Rate != 1800 || p.For() != warm+10*time.Second+after || p.Seed != 7 {
			t.Errorf("%+v", p)
		}
	}
	for _, s := range (Config{Capacity: 600}).chain() {
		if s.Config.Capacity() != 600 {
			t.Errorf("%s can do %g a second", s.Name, s.Config.Capacity())
		}
	}
}
