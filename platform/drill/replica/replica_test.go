package replica

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/balance/balancetest"
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

// The order that the drill wants is the simulator's.
func TestTheSimulatorHasThisOrder(t *testing.T) {
	s := balancetest.Setting{Seed: 1, Slow: 1, Discipline: balancetest.Queue, Warm: 2 * time.Second, For: 20 * time.Second}
	var before time.Duration
	for kind := range names() {
		p := balancetest.TwoChoices()
		if kind != twoChoices {
			p = balancetest.Balanced(balance.Config{Policy: ours()[kind], Eject: balance.Ejection{Off: true}})
		}
		r := balancetest.Run(s, p)
		t.Logf("%s: p99 %s", names()[kind], r.P99)
		if r.P99 < before {
			t.Errorf("the p99 of %s is %s, and that of the policy before it %s", names()[kind], r.P99, before)
		}
		before = r.P99
	}
}

// One short round of each policy on real processes, at a load that is no burden: what is
// judged here is the drill, not the policies.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a fleet of twelve processes for 10 s")
	}
	command, err := stage.Itself("stage")
	if err != nil {
		t.Fatal(err)
	}
	command.Single = true
	r, err := Run(t.Context(), Config{Command: command, For: time.Second, Rate: 300, Seed: 1, warm: 500 * time.Millisecond, counted: time.Second, maxLag: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range r.Rows {
		t.Logf("%s: %s, wanted %s: %v", row.What, row.Measured, row.Target, row.Held)
	}
	for _, n := range r.Notes {
		t.Log(n)
	}
	if len(r.Rows) != 6 || r.Drill != "slow-replica" || r.Seed != 1 {
		t.Fatalf("%+v", r)
	}
	for i, name := range names() {
		if !strings.HasPrefix(r.Notes[i], name+": p50 ") {
			t.Errorf("note %d is %q, not of %s", i, r.Notes[i], name)
		}
	}
	if last := r.Rows[len(r.Rows)-1]; !last.Held {
		t.Errorf("%s: %s", last.What, last.Measured)
	}
}

// The verdict follows from what was measured, and can be no.
func TestJudge(t *testing.T) {
	policies := func(p99 ...time.Duration) []*policy {
		cfg := Config{}.filled()
		list := cfg.policies(apart(nil), nil)
		for i, p := range list {
			v := &visits{}
			v.note(sampleOf(p99[i]), time.Hour)
			p.take(v)
		}
		return list
	}
	ms := time.Millisecond
	for name, test := range map[string]struct {
		p99  []time.Duration
		held bool
	}{
		"as simulated":           {[]time.Duration{60 * ms, 190 * ms, 300 * ms, 4000 * ms}, true},
		"too little better":      {[]time.Duration{160 * ms, 190 * ms, 300 * ms, 4000 * ms}, false},
		"another order":          {[]time.Duration{60 * ms, 350 * ms, 300 * ms, 4000 * ms}, false},
		"another order by noise": {[]time.Duration{60 * ms, 305 * ms, 300 * ms, 4000 * ms}, true},
	} {
		if r := (Config{}).filled().judge(policies(test.p99...)); r.Held() != test.held {
			t.Errorf("%s: %+v", name, r.Rows)
		}
	}
}

// A policy that was never measured has no figures, and nothing of it holds.
func TestAPolicyThatDidNotRun(t *testing.T) {
	cfg := Config{}.filled()
	r := cfg.judge(cfg.policies(apart(nil), nil))
	if r.Held() || len(r.Rows) != 6 {
		t.Errorf("%+v", r)
	}
	for _, row := range r.Rows[1:] {
		if row.Held || row.Measured != notRun {
			t.Errorf("%+v", row)
		}
	}
	for _, n := range r.Notes[:len(names())] {
		if !strings.Contains(n, "not run") {
			t.Error(n)
		}
	}
}

// A machine that stays busy makes the drill half as long again at most.
func TestRepeatsAreBounded(t *testing.T) {
	for length, want := range map[time.Duration]int{time.Second: 2, 2 * time.Minute: 6} {
		if got := (Config{For: length}).filled().spare(); got != want {
			t.Errorf("for %s: %d rounds may be held anew, want %d", length, got, want)
		}
	}
}

func sampleOf(took time.Duration) load.Sample {
	now := time.Now()
	return load.Sample{Intended: now, Ended: now.Add(took)}
}
