package overload

import (
	"context"
	"fmt"
	"os"
	"os/signal"
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

// A short one, with the edge in this process: how fast it is says nothing, but that all
// are answered, and that a refusal says when to come again, does not depend on it.
func TestOverload(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a fleet for 10 s")
	}
	command, err := stage.Itself("stage")
	if err != nil {
		t.Fatal(err)
	}
	command.Single = true
	r, err := Run(t.Context(), Config{Command: command, For: 2 * time.Second, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + b.String())
	if r.Drill != "overload" || r.Seed != 1 || len(r.Rows) != 10 {
		t.Errorf("%+v", r)
	}
	if got := row(t, r, "refused without Retry-After"); !got.Held {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(b.String(), "the edge has no processor for itself") {
		t.Error("it does not say that this was no measurement")
	}
}

// What was seen decides, each target by itself.
func TestJudge(t *testing.T) {
	see := func(change func(*seen)) *drill.Report {
		cfg := Config{For: 10 * time.Second}
		s := &seen{peak: 100, began: time.Unix(1000, 0)}
		s.phases(cfg.side(), cfg.For)
		each := func(from, to time.Duration, every time.Duration, one load.Sample) {
			for at := from; at < to; at += every {
				one.Intended, one.Ended = s.began.Add(at), s.began.Add(at+one.Ended.Sub(time.Time{}))
				s.note(one)
				one.Ended = time.Time{}.Add(one.Ended.Sub(one.Intended))
			}
		}
		took := func(d time.Duration) time.Time { return time.Time{}.Add(d) }
		good := load.Sample{Flow: resilience.Critical.String(), Ended: took(5 * time.Millisecond)}
		shed := load.Sample{Flow: resilience.Low.String(), Ended: took(time.Millisecond), Shed: true, Err: errRefused}
		crowd, after := cfg.side(), cfg.side()+cfg.For
		each(0, crowd, 20*time.Millisecond, good)
		each(crowd, after, 10500*time.Microsecond, good)
		each(crowd, after, 3*time.Millisecond, shed)
		each(after, after+cfg.side(), 20*time.Millisecond, good)
		change(s)
		return cfg.judge(s)
	}
	if r := see(func(*seen) {}); !r.Held() {
		t.Errorf("a good edge: %v", r.Err())
	}
	for what, change := range map[string]func(*seen){
		"5x asked: answered of what can be done": func(s *seen) { s.peak = 110 },
		"5x asked: p99 of who gets in": func(s *seen) {
			for range 50 {
				s.phase[tooMuch].good.Record(time.Second)
			}
		},
		"5x asked: p99 of a refusal": func(s *seen) {
			for range 50 {
				s.phase[tooMuch].no.Record(time.Second)
			}
		},
		"5x asked: critical ones answered": func(s *seen) { s.phase[tooMuch].asked[resilience.Critical] += 5 },
		"neither answered well nor 503":    func(s *seen) { s.onsets.other["502"]++ },
		"refused without Retry-After":      func(s *seen) { s.unsaid = 1 },
		"answered from 2s after it":        func(s *seen) { s.phase[wellAgain].asked[resilience.Low] += 5 },
		"the generator's lag":              func(s *seen) { s.result.Void = "late" },
	} {
		r := see(change)
		if got := row(t, r, what); got.Held {
			t.Errorf("%s: held: %+v", what, got)
		}
	}
}
