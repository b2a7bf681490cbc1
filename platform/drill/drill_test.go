package drill_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/platform/drill"
)

type fleet struct {
	replaced atomic.Int64
	broken   bool // requests fail while it replaces
	busy     atomic.Bool
}

func (f *fleet) Replace(context.Context, string) (int, error) {
	f.busy.Store(true)
	time.Sleep(time.Second) // fake time: inside a synctest bubble
	f.busy.Store(false)
	f.replaced.Add(2)
	return 2, nil
}

func rolling(t *testing.T, f *fleet) *drill.Report {
	t.Helper()
	var report *drill.Report
	synctest.Test(t, func(t *testing.T) {
		report = drill.Rolling(t.Context(), drill.RollingConfig{
			Fleet: f, Services: []string{"a", "b"}, For: 10 * time.Second, Least: 20,
			Flows: []drill.Flow{{Name: "HTTP/1.1", Users: 3, Think: 10 * time.Millisecond, Request: func(context.Context, int) error {
				if f.broken && f.busy.Load() {
					return errors.New("502")
				}
				return nil
			}}},
		})
	})
	return report
}

func TestRollingHolds(t *testing.T) {
	if r := rolling(t, &fleet{}); !r.Held() || len(r.Rows) != 2 {
		t.Errorf("report %+v", r)
	}
}

// The drill must be able to fail: it sees each failed request.
func TestRollingSeesFailures(t *testing.T) {
	r := rolling(t, &fleet{broken: true})
	if r.Held() {
		t.Error("requests failed and the drill held")
	}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "NO") || !strings.Contains(b.String(), "note: HTTP/1.1: 502") {
		t.Errorf("table:\n%s", b.String())
	}
}

func TestReportWithoutRowsHoldsNothing(t *testing.T) {
	if (&drill.Report{}).Held() {
		t.Error("a drill that measured nothing held")
	}
}

type kill struct {
	kind string
	at   time.Duration
}

// killer is a fleet of which each process is away for some time after its death.
type killer struct {
	kinds map[string]int           // replicas
	away  map[string]time.Duration // how long a kind is away
	until map[string]time.Time
	began time.Time
	kills []kill
}

func (k *killer) Victims() map[string][]string {
	victims := map[string][]string{}
	for kind, n := range k.kinds {
		if time.Now().Before(k.until[kind]) {
			continue
		}
		for i := range n {
			victims[kind] = append(victims[kind], fmt.Sprintf("%s-%d", kind, i+1))
		}
	}
	return victims
}

func (k *killer) Kill(id string) error {
	kind, _, _ := strings.Cut(id, "-")
	if k.kinds[kind] == 0 {
		return errors.New("it cannot be killed")
	}
	k.kills = append(k.kills, kill{kind, time.Since(k.began)})
	k.until[kind] = time.Now().Add(k.away[kind])
	return nil
}

func TestChaosSharesItsKills(t *testing.T) {
	kinds := map[string]int{"cart": 2, "orders": 3, "card": 1, "broker": 1, "edge": 1, "control": 1}
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 61*time.Second)
			defer cancel()
			k := &killer{kinds: kinds, away: map[string]time.Duration{"orders": 3 * time.Second}, until: map[string]time.Time{}, began: time.Now()}
			kills := drill.Chaos(ctx, drill.ChaosConfig{Fleet: k, Every: 2 * time.Second, Seed: seed})
			if len(k.kills) != 30 {
				t.Errorf("seed %d: %d kills in 61 s, want 30", seed, len(k.kills))
			}
			for kind := range kinds {
				if n := kills[kind]; n < 4 || n > 6 {
					t.Errorf("seed %d: kills %v are not shared", seed, kills)
				}
			}
		})
	}
}

func TestChaosRepeatsItself(t *testing.T) {
	run := func(seed uint64) (kinds string) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 61*time.Second)
			defer cancel()
			k := &killer{kinds: map[string]int{"a": 2, "b": 2, "c": 1, "d": 1}, until: map[string]time.Time{}, began: time.Now()}
			drill.Chaos(ctx, drill.ChaosConfig{Fleet: k, Every: time.Second, Seed: seed})
			for _, one := range k.kills {
				kinds += one.kind
			}
		})
		return kinds
	}
	one, again, other := run(1), run(1), run(2)
	if one != again || one == other {
		t.Errorf("the victims of seed 1 were %s and %s, of seed 2 %s", one, again, other)
	}
}

func TestChaosKeepsKillsApartWhereItMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		k := &killer{kinds: map[string]int{"edge": 1, "stuck": 0}, until: map[string]time.Time{}, began: time.Now()}
		kills := drill.Chaos(ctx, drill.ChaosConfig{Fleet: k, Every: time.Second, Apart: map[string]time.Duration{"edge": 5 * time.Second}, Seed: 1})
		if kills["edge"] != 12 || kills["stuck"] != 0 {
			t.Errorf("kills %v", kills)
		}
		for i := range k.kills[1:] {
			if gap := k.kills[i+1].at - k.kills[i].at; gap < 5*time.Second {
				t.Errorf("the edge was killed twice in %s", gap)
			}
		}
	})
}

func TestDown(t *testing.T) {
	for name, test := range map[string]struct {
		back   time.Duration // after the kill; 0: it never dies
		broken bool
		held   bool
	}{
		"comes back":       {6 * time.Second, false, true},
		"never dies":       {0, false, false},
		"stays away":       {time.Hour, false, false},
		"cannot be killed": {6 * time.Second, true, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			r := drill.Down(t.Context(), drill.Outage{
				Part: "control", For: 5 * time.Second, Back: 3 * time.Second,
				Kill: func(time.Duration) error {
					if test.broken {
						return errors.New("it does not run")
					}
					return nil
				},
				Alive: func() bool { return time.Since(began) > test.back },
				Flows: []drill.Flow{{Name: "gRPC", Think: time.Millisecond, Request: func(context.Context, int) error { return nil }}},
			})
			if r.Held() != test.held {
				t.Errorf("%s: %+v", name, r)
			}
		})
	}
}
