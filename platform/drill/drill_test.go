package drill_test

import (
	"context"
	"errors"
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

type killer struct{ killed []string }

func (k *killer) Whole() map[string][]string {
	return map[string][]string{"cart": {"cart-1", "cart-2"}, "stock": {"stock-1", "stock-2"}}
}
func (k *killer) Kill(id string) error { k.killed = append(k.killed, id); return nil }

func TestChaosSharesItsKills(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 61*time.Second)
			defer cancel()
			k := &killer{}
			kills := drill.Chaos(ctx, k, 2*time.Second, seed)
			if len(k.killed) != 30 || kills["cart"]+kills["stock"] != 30 {
				t.Errorf("seed %d: %d kills in 61 s, want 30", seed, len(k.killed))
			}
			if d := kills["cart"] - kills["stock"]; d < -2 || d > 2 {
				t.Errorf("seed %d: kills %v are not shared", seed, kills)
			}
		})
	}
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
