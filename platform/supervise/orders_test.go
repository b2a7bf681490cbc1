//go:build unix

package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/plan"
)

// fewest asks the registry again and again, until stop is called, and then returns
// the smallest number of ready instances it saw.
func (w *world) fewest(service string) (stop func() int) {
	testchild.Eventually(w.t, 10*time.Second, service+" is registered", func() bool {
		return ready(w.registered(service)) == w.status(service).Want
	})
	var least atomic.Int64
	least.Store(1000)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				return
			default:
				least.Store(min(least.Load(), int64(ready(w.registered(service)))))
			}
		}
	}()
	return func() int {
		close(quit)
		<-ended
		return int(least.Load())
	}
}

func ready(list []discovery.Instance) (n int) {
	for _, in := range list {
		if in.State == discovery.Ready {
			n++
		}
	}
	return n
}

func TestCrashIsStartedAgainAtOnce(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Engines = []Engine{anEngine(t, "control", testchild.Ready)} },
		aService("orders", testchild.Ready, ", replicas: 2"))
	w.up()
	before := w.status("orders").Instances[0]
	testchild.Eventually(t, 10*time.Second, "orders is registered", func() bool { return len(w.registered("orders")) == 2 })
	mark := w.mark()
	if err := w.Kill("orders-1"); err != nil {
		t.Fatal(err)
	}
	died := w.awaitAfter(mark, event.Died, "orders-1")
	again := w.awaitAfter(mark, event.Starting, "orders-1")
	if pause := again.Time.Sub(died.Time); pause > 150*time.Millisecond {
		t.Errorf("started again after %v", pause)
	}
	if died.Detail != "killed by a signal" {
		t.Errorf("died: %q", died.Detail)
	}
	w.awaitAfter(mark, event.Ready, "orders-1")
	after := w.status("orders").Instances[0]
	if after.ID != before.ID || after.Port != before.Port || after.PID == before.PID || after.Restarts != 1 || after.LastExit != died.Detail {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if other := w.status("orders").Instances[1]; other.Restarts != 0 {
		t.Errorf("orders-2 was touched: %+v", other)
	}
	testchild.Eventually(t, 10*time.Second, "it is registered again", func() bool { return ready(w.registered("orders")) == 2 })

	mark = w.mark()
	if err := w.Kill("control"); err != nil {
		t.Fatal(err)
	}
	w.awaitAfter(mark, event.Ready, "control")
	if err := w.Kill("nobody"); !errors.Is(err, ErrUnknown) {
		t.Errorf("kill nobody: %v", err)
	}
}

func TestDeathDeletesTheRegistration(t *testing.T) {
	// It dies by itself and soon, so it stays away for a while.
	w := newWorld(t, func(c *Config) { c.Timing.BackoffFirst = time.Minute }, aService("orders", testchild.ReadyFor, ""))
	w.up()
	testchild.Eventually(t, 10*time.Second, "registered", func() bool { return len(w.registered("orders")) == 1 })
	get(w.one("orders").Port, "/exit?code=7")
	e := w.await(event.Backoff, "orders-1")
	if e.After < 20*time.Second || e.After > 30*time.Second {
		t.Errorf("pause %v", e.After)
	}
	testchild.Eventually(t, 5*time.Second, "the entry is gone, long before its lease", func() bool { return len(w.registered("orders")) == 0 })
	if i := w.one("orders"); i.Phase != instance.Backoff || i.PID != 0 || i.LastExit != "exited with code 7" {
		t.Errorf("%+v", i)
	}
}

func TestReplaceNeverLeavesTheServiceWithoutAReadyInstance(t *testing.T) {
	for _, replicas := range []int{1, 2} {
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			w := newWorld(t, nil, aService("orders", testchild.Ready, fmt.Sprintf(", replicas: %d", replicas)), aService("other", testchild.Ready, ""))
			w.up()
			before, other := w.ids("orders"), w.one("other").PID
			stop := w.fewest("orders")
			if err := w.Replace(w.ctx(), "orders"); err != nil {
				t.Fatal(err)
			}
			if least := stop(); least < replicas {
				t.Errorf("there were only %d ready instances", least)
			}
			after := w.ids("orders")
			if len(after) != replicas || slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }) {
				t.Errorf("before %v, after %v", before, after)
			}
			if !slices.Equal(w.edge.drained, before) {
				t.Errorf("the edge drained %v, want %v", w.edge.drained, before)
			}
			if w.one("other").PID != other {
				t.Error("another service was touched")
			}
			for _, id := range before { // the order of a drain: marked, waited for the watchers, ended
				draining, stopped := w.await(event.Draining, id), w.await(event.Stopped, id)
				if d := stopped.Time.Sub(draining.Time); d < timing.Watchers {
					t.Errorf("%s ended %v after it was marked", id, d)
				}
			}
		})
	}
}

func TestReplaceInstance(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Ready, ", replicas: 3"))
	w.up()
	if err := w.ReplaceInstance(w.ctx(), "orders-2"); err != nil {
		t.Fatal(err)
	}
	if ids := w.ids("orders"); !slices.Equal(ids, []string{"orders-1", "orders-3", "orders-4"}) {
		t.Errorf("instances %v", ids)
	}
	if err := w.ReplaceInstance(w.ctx(), "orders-2"); !errors.Is(err, ErrUnknown) {
		t.Errorf("again: %v", err)
	}
}

func TestSeveralServicesAreReplacedAtTheSameTime(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Timing.Watchers = 300 * time.Millisecond },
		aService("a", testchild.Ready, ""), aService("b", testchild.Ready, ""))
	w.up()
	done := make(chan error, 2)
	for _, name := range []string{"a", "b"} {
		go func() { done <- w.Replace(w.ctx(), name) }()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	a, b := w.await(event.Draining, "a-1"), w.await(event.Draining, "b-1")
	if w.await(event.Stopped, "a-1").Time.Before(b.Time) || w.await(event.Stopped, "b-1").Time.Before(a.Time) {
		t.Error("one after the other")
	}
}

func TestScale(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Ready, ""))
	w.up()
	stop := w.fewest("orders")
	for _, n := range []int{3, 3, 2, 5, 1} {
		if err := w.Scale(w.ctx(), "orders", n); err != nil {
			t.Fatal(err)
		}
		if s := w.status("orders"); s.Want != n || s.Ready != n || len(s.Instances) != n {
			t.Errorf("scaled to %d: %+v", n, s)
		}
	}
	if least := stop(); least < 1 {
		t.Error("there was a moment with no ready instance")
	}
	if ids := w.ids("orders"); !slices.Equal(ids, []string{"orders-1"}) { // the oldest stays
		t.Errorf("left: %v", ids)
	}
	if err := w.Scale(w.ctx(), "orders", 0); err != nil || len(w.ids("orders")) != 0 {
		t.Errorf("to none: %v, %v", err, w.ids("orders"))
	}
	for _, n := range []int{-1, 65} {
		if err := w.Scale(w.ctx(), "orders", n); err == nil {
			t.Errorf("scaled to %d", n)
		}
	}
	if err := w.Scale(w.ctx(), "order", 1); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "[orders]") {
		t.Errorf("unknown: %v", err)
	}
}

func TestStableAddressSurvivesReplacement(t *testing.T) {
	w := newWorld(t, nil, aService("mailer", testchild.Ready, ""),
		`  notify: {run: `+executable()+`, env: {TEST_CHILD_ROLE: ready, GREETING: "${services.mailer.url}"}}`+"\n")
	w.up()
	address := "http://" + plan.Local(w.one("mailer").Port)
	if says := get(w.one("notify").Port, "/hello"); !strings.Contains(says, " "+address+" ") {
		t.Fatalf("notify was told %q, the mailer is at %s", says, address)
	}
	stop := w.fewest("mailer")
	if err := w.Replace(w.ctx(), "mailer"); err != nil {
		t.Fatal(err)
	}
	if least := stop(); least < 1 {
		t.Error("there was a moment with no ready instance")
	}
	if now := "http://" + plan.Local(w.one("mailer").Port); now != address || w.one("mailer").ID == "mailer-1" {
		t.Errorf("%s is at %s now, was at %s", w.one("mailer").ID, now, address)
	}
	if err := w.Scale(w.ctx(), "mailer", 3); err != nil {
		t.Fatal(err)
	}
	if err := w.Scale(w.ctx(), "mailer", 1); err != nil {
		t.Fatal(err)
	}
	if now := "http://" + plan.Local(w.one("mailer").Port); now != address {
		t.Errorf("after scaling it is at %s", now)
	}
}

func TestLogsAndEnvironment(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Ready, ", database: true"))
	w.up()
	lines, err := w.Tail("orders", 10)
	if err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0].Text, "ready orders-1 listens on") {
		t.Errorf("Tail = %v, %v", lines, err)
	}
	if _, err := w.Tail("nobody", 1); !errors.Is(err, ErrUnknown) {
		t.Errorf("nobody: %v", err)
	}
	f, err := w.Follow("", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := w.Replace(w.ctx(), "orders"); err != nil {
		t.Fatal(err)
	}
	if line := <-f.Lines(); line.Instance != "orders-2" {
		t.Errorf("followed %+v", line)
	}
	env, err := w.Environment("orders")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := w.Environment("orders")
	if env["MUSTER_INSTANCE"] != "orders-guest" || env["PORT"] == "" || env["PORT"] != again["PORT"] || env["MUSTER_REGISTRY_URL"] != w.Supervisor.cfg.RegistryURL {
		t.Errorf("env = %v", env)
	}
	if path := strings.TrimPrefix(env["DATABASE_URL"], "sqlite:"); filepath.Dir(path) != filepath.Join(filepath.Dir(w.file), Folder, "data") || !isFolder(filepath.Dir(path)) {
		t.Errorf("DATABASE_URL = %q", env["DATABASE_URL"])
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
