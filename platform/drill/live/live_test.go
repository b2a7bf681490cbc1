package live_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/down"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/drill/moves"
	"github.com/musterdev/muster/platform/drill/outage"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// fleet is a fleet without processes.
type fleet struct {
	mu     sync.Mutex
	all    map[string][]instance.Status // by service; engines are under ""
	port   int
	stays  bool // instances keep their addresses when they are replaced
	ghosts bool // the registry lists the dead too
	wake   []*time.Timer
}

func newFleet(services ...string) *fleet {
	f := &fleet{all: map[string][]instance.Status{"": {{ID: "control", Service: "control", Phase: instance.Ready}}}}
	for _, s := range services {
		_ = f.Scale(context.Background(), s, 3)
	}
	return f
}

func (f *fleet) Status() (st supervise.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st.Engines = slices.Clone(f.all[""])
	for name, list := range f.all {
		if name != "" {
			st.Services = append(st.Services, supervise.ServiceStatus{Name: name, Instances: slices.Clone(list)})
		}
	}
	return st
}

func (f *fleet) phase(id string, p instance.Phase) (found bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, list := range f.all {
		for i := range list {
			if list[i].ID == id {
				list[i].Phase, found = p, true
			}
		}
	}
	return found
}

// reborn makes an instance ready as another process.
func (f *fleet) reborn(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, list := range f.all {
		for i := range list {
			if list[i].ID == id {
				f.port++
				list[i].Phase, list[i].PID = instance.Ready, f.port
			}
		}
	}
}

func (f *fleet) KillFor(id string, away time.Duration) error {
	if !f.phase(id, instance.Backoff) {
		return errors.New("there is no " + id)
	}
	f.wake = append(f.wake, time.AfterFunc(max(away, 50*time.Millisecond), func() { f.reborn(id) }))
	return nil
}

func (f *fleet) Scale(_ context.Context, service string, n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.all[service]) < n {
		f.port++
		f.all[service] = append(f.all[service], instance.Status{ID: fmt.Sprintf("%s-%d", service, f.port), Phase: instance.Ready, Port: f.port, PID: f.port})
	}
	return nil
}

func (f *fleet) Replace(ctx context.Context, service string) error {
	f.mu.Lock()
	n := len(f.all[service])
	if !f.stays {
		f.all[service] = nil
	}
	f.mu.Unlock()
	return f.Scale(ctx, service, n)
}

func (f *fleet) catalog(context.Context) (discovery.Catalog, error) {
	c := discovery.Catalog{Services: map[string][]discovery.Instance{}}
	for _, s := range f.Status().Services {
		for _, i := range s.Instances {
			if f.ghosts || i.Phase == instance.Ready {
				c.Services[s.Name] = append(c.Services[s.Name], discovery.Instance{ID: i.ID})
			}
		}
	}
	return c, nil
}

// visits are answered by works, which counts them.
func visits(fails *atomic.Bool) load.Flow {
	return load.Flow{Steps: []load.Step{{Name: "visit", Call: func(context.Context, *load.Visitor) (string, error) {
		if fails.Load() {
			return "502", errors.New("it broke")
		}
		return "OK", nil
	}}}}
}

func missed(t *testing.T, r *drill.Report, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if r.Err() == nil {
		return ""
	}
	return r.Err().Error()
}

// Each drill holds where nothing is amiss, and sees what is.
func TestOutage(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	for _, ghosts := range []bool{false, true} {
		f := newFleet("catalog", "cart")
		f.ghosts = ghosts
		cfg := outage.Config{
			Fleet: f, Catalog: f.catalog, Rate: 50, Plan: load.Plan{Flows: []load.Flow{visits(&fails)}},
			For: 2 * time.Second, Restart: []string{"cart"}, Shrink: "catalog",
		}
		r, err := outage.Run(t.Context(), cfg)
		if got := missed(t, r, err); ghosts != strings.Contains(got, "listed by the registry") || !ghosts && got != "" {
			t.Errorf("ghosts %v: %s", ghosts, got)
		}
	}
}

func TestReaddress(t *testing.T) {
	t.Parallel()
	for _, stays := range []bool{false, true} {
		var fails atomic.Bool
		fails.Store(stays)
		f := newFleet("catalog", "cart")
		f.stays = stays
		r, err := moves.Readdress(t.Context(), moves.Addresses{
			Fleet: f, Services: []string{"catalog", "cart"}, Rate: 50, For: 6 * time.Second, Plan: load.Plan{Flows: []load.Flow{visits(&fails)}},
		})
		got := missed(t, r, err)
		if !stays && got != "" || stays && !(strings.Contains(got, "instances at a new address") && strings.Contains(got, "failed requests")) {
			t.Errorf("stays %v: %q", stays, got)
		}
	}
}

type stopped struct{ resumed *atomic.Int64 }

func (s stopped) Resume(context.Context) (fault.Proof, error) {
	s.resumed.Add(1)
	return fault.Proof{Fault: "a pause"}, nil
}

func TestServiceDown(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprint(broken), func(t *testing.T) { testServiceDown(t, broken) })
	}
	if _, err := down.Run(t.Context(), down.Config{Fleet: newFleet(), Kill: []string{"nobody"}}); err == nil || !strings.Contains(err.Error(), "0 ready replicas") {
		t.Error(err)
	}
}

func testServiceDown(t *testing.T, broken bool) {
	t.Parallel()
	var fails atomic.Bool
	var resumed atomic.Int64
	fails.Store(broken)
	f := newFleet("catalog")
	flow := visits(&fails)
	r, err := down.Run(t.Context(), down.Config{
		Fleet: f, Rate: 50, Plan: load.Plan{Seed: 1, Flows: []load.Flow{flow}}, Kill: []string{"catalog"}, Stall: []string{"catalog"},
		Unsafe: flow, Answered: time.Second, Away: time.Second, Stalled: time.Second,
		Dead: down.Dead{Service: "catalog", Degraded: []load.Flow{flow}, Others: []load.Flow{flow}, What: "less"},
		Stop: func(context.Context, int) (down.Stopped, error) { return stopped{&resumed}, nil },
	})
	got := missed(t, r, err)
	if !broken && got != "" || broken && strings.Count(got, "wanted") != len(r.Rows) {
		t.Errorf("broken %v: %q", broken, got)
	}
	if resumed.Load() != 1 {
		t.Errorf("resumed %d times", resumed.Load())
	}
}

// A process that was just killed is called ready until its supervisor has seen that: who
// waits for a whole fleet waits for another process.
func TestWholeIsWithoutTheKilled(t *testing.T) {
	t.Parallel()
	f := newFleet("catalog")
	victim := live.Ready(f, "catalog")[0]
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := live.Whole(ctx, f, "catalog", 3, victim); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, though %s is who it was", err, victim.ID)
	}
	f.reborn(victim.ID)
	if err := live.Whole(t.Context(), f, "catalog", 3, victim); err != nil {
		t.Error(err)
	}
}
