package crash_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/nats/natstest"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/crash"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// stage is a fleet without processes: a service of two replicas that carries on sagas, of
// whom each holds one for as long as it lives, and one that has nothing to do with them.
type stage struct {
	db *sql.DB

	mu      sync.Mutex
	pid     map[string]int
	stopped map[int]bool
	stops   int
	heirs   bool // what a dead or a stopped one held is taken over
}

func newStage(t *testing.T, heirs bool) *stage {
	t.Helper()
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+filepath.ToSlash(filepath.Join(t.TempDir(), "orders.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := saga.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	s := &stage{db: db, pid: map[string]int{"orders-1": 1001, "orders-2": 1002, "cart-1": 1003, "cart-2": 1004}, stopped: map[int]bool{}, heirs: heirs}
	for _, id := range []string{"orders-1", "orders-2"} {
		if _, err := db.ExecContext(t.Context(), `INSERT INTO muster_saga (name, id, version, state, undoing, step, attempts, faults, doubt, data, fence, owner,
			leased_until, next_at, reason, error, seq, trace_parent, created, updated) VALUES ('checkout', $1, 1, 'running', 0, 'pay', 0, 0, 0, $2, 1, $3, 0, 0, '', '', 1, '', 0, 0)`,
			id, []byte("j{}"), id+"/first"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// inherit gives what one has to a new run of the other.
func (s *stage) inherit(id string) {
	if s.heirs {
		_, _ = s.db.Exec(`UPDATE muster_saga SET fence = fence + 1, owner = $1 WHERE owner LIKE $2`, // as somebody else would
			map[string]string{"orders-1": "orders-2", "orders-2": "orders-1"}[id]+"/heir", id+"/%")
	}
}

func (s *stage) Status() supervise.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st supervise.Status
	for _, name := range []string{"cart", "orders"} {
		one := supervise.ServiceStatus{Name: name}
		for _, n := range []string{"-1", "-2"} {
			one.Instances = append(one.Instances, instance.Status{ID: name + n, Service: name, Phase: instance.Ready, PID: s.pid[name+n]})
		}
		st.Services = append(st.Services, one)
	}
	return st
}

func (s *stage) Kill(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped[s.pid[id]] {
		return errors.New("it is stopped: the pause would prove nothing")
	}
	s.pid[id] += 10
	time.AfterFunc(50*time.Millisecond, func() { s.inherit(id) })
	return nil
}

func (s *stage) Victims() map[string][]string {
	return map[string][]string{"cart": {"cart-1", "cart-2"}, "orders": {"orders-1", "orders-2"}}
}

func (s *stage) KillFor(id string, _ time.Duration) error        { return s.Kill(id) }
func (s *stage) Scale(context.Context, string, int) error        { return nil }
func (s *stage) Replace(context.Context, string) error           { return nil }
func (s *stage) Resume(ctx context.Context) (fault.Proof, error) { return fault.Proof{}, s.clear() }
func (s *stage) stop(_ context.Context, pid int) (crash.Stopped, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped[pid] = true
	s.stops++
	for id, p := range s.pid {
		if p == pid {
			time.AfterFunc(100*time.Millisecond, func() { s.inherit(id) })
		}
	}
	return s, nil
}

func (s *stage) clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = map[int]bool{}
	return nil
}

func (s *stage) config(seed uint64) crash.Config {
	return crash.Config{
		Fleet: s, Killer: s, Orchestrators: []crash.Orchestrator{{Service: "orders", DB: s.db}}, For: 1500 * time.Millisecond, Every: 200 * time.Millisecond,
		Paused: 300 * time.Millisecond, Settled: time.Second, Seed: seed, Stop: s.stop,
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := newStage(t, true)
	var mu sync.Mutex
	var told []string
	cfg := s.config(1)
	cfg.Tell = func(f crash.Fault) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, f.What)
	}
	cfg.Restart = func(context.Context, *rand.Rand, time.Duration) (string, error) { return "database gone", nil }
	res, err := crash.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if res.Kills["cart"]+res.Kills["orders"] < 4 || res.Kills["cart"] == 0 || res.Kills["orders"] == 0 {
		t.Errorf("kills %v", res.Kills)
	}
	if len(res.Takeovers) == 0 || len(res.Takeovers) != res.Orphans || slices.Max(res.Takeovers) > 2*time.Second || slices.Min(res.Takeovers) < 50*time.Millisecond {
		t.Errorf("%d orphans, taken over after %v", res.Orphans, res.Takeovers)
	}
	if res.Pauses != 1 || res.Restarts != 1 || res.Held != res.Overtaken || s.stops == 0 || len(s.stopped) > 0 {
		t.Errorf("%+v, stopped %d times, now %v", res, s.stops, s.stopped)
	}
	if len(told) != len(res.Faults) || !slices.IsSortedFunc(res.Faults, func(a, b crash.Fault) int { return int(a.At - b.At) }) {
		t.Errorf("told %q of %v", told, res.Faults)
	}
	if first := res.Faults[0].What; !strings.HasPrefix(first, "kill -9 of orders-") {
		t.Errorf("first %s: whose takeover was not measured yet is to be killed first", first)
	}
}

// A fleet where nobody takes over is seen.
func TestRunSeesThatNobodyTakesOver(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cfg := s.config(2)
	cfg.Stop = func(context.Context, int) (crash.Stopped, error) { return s, nil }
	res, err := crash.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &drill.Report{}
	res.Report(r)
	if res.Orphans == 0 || res.Overtaken > 0 || len(res.Takeovers) != 0 || !strings.Contains(r.Err().Error(), "taken over") {
		t.Errorf("%+v", res)
	}
}

// What cannot be broken ends the drill, with the reason.
func TestRunFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, true)
	cfg := s.config(3)
	cfg.Restart = func(context.Context, *rand.Rand, time.Duration) (string, error) {
		return "", errors.New("no such server")
	}
	if _, err := crash.Run(t.Context(), cfg); err == nil || err.Error() != "crash: database: no such server" {
		t.Errorf("%v", err)
	}
}

// A group gets some events twice, through the broker, and the second time late.
func TestCopies(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t, nil).URL()
	b, err := nats.Driver.OpenBus(t.Context(), url, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	sub, err := b.Subscribe(t.Context(), bus.Subscription{Group: "taker", Topics: []string{"orders.*"}})
	if err != nil {
		t.Fatal(err)
	}
	publishing, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	published := 0
	work.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ; publishing.Err() == nil; published++ {
			id := "e-" + string(rune('a'+published%26)) + strings.Repeat("x", published/26)
			for _, res := range b.Publish(t.Context(), []bus.Msg{{ID: id, Source: "/orders", Topic: "orders.placed", Key: "k", Time: time.Now()}}) {
				if res.Err != nil {
					t.Error(res.Err)
				}
			}
			<-tick.C
		}
	})
	s := newStage(t, true)
	cfg := s.config(4)
	cfg.Orchestrators, cfg.Broker, cfg.For = nil, url, time.Second
	res, err := crash.Run(t.Context(), cfg)
	stop()
	work.Wait()
	if err != nil || res.Copies.Made == 0 || res.Copies.Behind == 0 || res.Copies.Made > published {
		t.Fatalf("%+v of %d, %v", res, published, err)
	}
	got := map[string]int{}
	var order []string
	for range published + res.Copies.Made {
		ds, err := sub.Receive(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		got[ds[0].ID]++
		order = append(order, ds[0].ID)
		if err := sub.Settle(t.Context(), bus.Verdict{Delivery: ds[0]}); err != nil {
			t.Fatal(err)
		}
	}
	if twice := len(order) - len(got); len(got) != published || twice != res.Copies.Made {
		t.Errorf("%d of %d came, %d of them twice, of %d copies", len(got), published, twice, res.Copies.Made)
	}
}
