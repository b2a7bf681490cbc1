//go:build unix

package supervise

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
)

func TestUnreadyInstanceIsNotChosen(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Moody, ", ready: {check: /readyz, interval: 50ms, failures: 2}"))
	w.up()
	state := func(want discovery.State) func() bool {
		return func() bool {
			list := w.registered("orders")
			return len(list) == 1 && list[0].State == want
		}
	}
	testchild.Eventually(t, 10*time.Second, "it is registered as ready", state(discovery.Ready))
	pid := w.one("orders").PID
	get(w.one("orders").Port, "/mood?ready=false")
	if e := w.await(event.Unready, "orders-1"); !strings.Contains(e.Detail, "503 Service Unavailable: the cache is cold") {
		t.Errorf("event %+v", e)
	}
	testchild.Eventually(t, 10*time.Second, "it is registered as starting", state(discovery.Starting))
	mark := w.mark()
	get(w.one("orders").Port, "/mood")
	w.awaitAfter(mark, event.Ready, "orders-1")
	testchild.Eventually(t, 10*time.Second, "it is registered as ready again", state(discovery.Ready))
	if w.one("orders").PID != pid {
		t.Error("it was started again")
	}
}

func TestInstanceThatIsNotAliveIsStartedAgain(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Moody, ", live: {check: /livez, interval: 50ms, failures: 2}"))
	w.up()
	mark := w.mark()
	get(w.one("orders").Port, "/mood?alive=false")
	if e := w.await(event.Died, "orders-1"); e.Detail != "did not answer its liveness probe 2 times in a row" {
		t.Errorf("event %+v", e)
	}
	w.awaitAfter(mark, event.Ready, "orders-1")
	if i := w.one("orders"); i.Restarts != 1 {
		t.Errorf("%+v", i)
	}
}

// A frozen process keeps its port open and accepts connections: only an answer tells.
func TestFrozenEngineIsStartedAgain(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Engines = []Engine{anEngine(t, "control", testchild.Ready)} }, aService("orders", testchild.Ready, ""))
	w.up()
	frozen := w.await(event.Starting, "control").PID
	mark, began := w.mark(), time.Now()
	if err := syscall.Kill(frozen, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if e := w.awaitAfter(mark, event.Died, "control"); e.Detail != "did not answer its liveness probe 3 times in a row" {
		t.Errorf("event %+v", e)
	}
	w.awaitAfter(mark, event.Ready, "control")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	if testchild.Alive(frozen) {
		t.Error("the frozen process is left")
	}
}

// A script is what its files are now: started again it may fail like its replacement.
func TestFixedPortAndABrokenScript(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	fine := filepath.Join(t.TempDir(), "fine")
	if err := os.WriteFile(fine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil, fmt.Sprintf("  mailer: {run: [sh, -c, \"test -f %s && exec %s; exit 5\"], env: {TEST_CHILD_ROLE: ready}, port: %d}\n", fine, executable(), port))
	w.up()
	if err := os.Remove(fine); err != nil {
		t.Fatal(err)
	}
	err = w.Replace(w.ctx(), "mailer")
	if err == nil || !strings.HasPrefix(err.Error(), `mailer-1 was started again as mailer-3, which is not ready: service "mailer" (mailer-2) exited with code 5`) {
		t.Errorf("err = %v", err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Timing.DrainWithin = 200 * time.Millisecond }, aService("orders", testchild.Ready, ", replicas: 2"))
	w.edge.busy = true
	w.up()
	if err := w.Scale(w.ctx(), "orders", 1); err != nil {
		t.Fatal(err)
	}
	d := w.await(event.Stopped, "orders-2").Time.Sub(w.await(event.Draining, "orders-2").Time)
	if d < 200*time.Millisecond || d > 10*time.Second {
		t.Errorf("the drain took %v", d)
	}
}

func TestRegistryAway(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Timing.Register = 300 * time.Millisecond }, aService("orders", testchild.Ready, ""))
	w.up()
	w.registry.Close()
	err := w.Replace(w.ctx(), "orders")
	want := `orders-1 runs on: service "orders" (orders-2) is ready, but was not registered within 300ms: registry: `
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("err = %v", err)
	}
	if i := w.one("orders"); i.ID != "orders-1" || !strings.Contains(i.LeaseErr, "connection refused") {
		t.Errorf("%+v", i)
	}
	mark := w.mark()
	if err := w.Kill("orders-1"); err != nil {
		t.Fatal(err)
	}
	w.awaitAfter(mark, event.Ready, "orders-1") // an accident is mended all the same
}

func TestFixedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	fixed := fmt.Sprintf(", port: %d", port)
	w := newWorld(t, nil, aService("mailer", testchild.Ready, fixed))
	w.up()
	if err := w.Replace(w.ctx(), "mailer"); err != nil {
		t.Fatal(err)
	}
	if says := get(port, "/hello"); !strings.HasPrefix(says, "mailer-2 ") {
		t.Errorf("at the port %q", says)
	}
	if err := w.Scale(w.ctx(), "mailer", 2); err == nil || !strings.Contains(err.Error(), "its port is fixed") {
		t.Errorf("two of them: %v", err)
	}
	w.write(aService("mailer", testchild.Exit3, fixed))
	next, err := w.load()
	if err != nil {
		t.Fatal(err)
	}
	err = w.Reload(w.ctx(), next)
	if err == nil || !strings.HasPrefix(err.Error(), `mailer-2 was started again as mailer-4 and is ready: service "mailer" (mailer-3) exited with code 3`) {
		t.Errorf("err = %v", err)
	}
	w.await(event.Ready, "mailer-4")
	if says := get(port, "/hello"); !strings.HasPrefix(says, "mailer-4 ") {
		t.Errorf("at the port %q", says)
	}
}

// TestWhatFailedIsTriedAgain has a service scaled up and one added, both failing;
// when the cause is gone the next reading mends them, though it says nothing new.
func TestWhatFailedIsTriedAgain(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Ready, ""))
	flag := filepath.Join(filepath.Dir(w.file), "fine")
	w.up()
	script := func(name, replicas string) string {
		return fmt.Sprintf("  %s: {run: [sh, -c, \"test -f %s && exec %s; exit 5\"], env: {TEST_CHILD_ROLE: ready}, replicas: %s, ready: {check: /readyz, within: 500ms}}\n", name, flag, executable(), replicas)
	}
	w.write(script("orders", "2"), script("search", "1"))
	next, err := w.load()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(w.ctx(), next); err == nil {
		t.Fatal("no error")
	}
	if s := w.status("orders"); s.Ready != 1 || s.Want != 2 || s.Instances[0].ID != "orders-1" {
		t.Errorf("orders = %+v", s)
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(w.ctx(), next); err != nil {
		t.Fatal(err)
	}
	if s := w.status("orders"); s.Ready != 2 || s.Instances[0].ID == "orders-1" {
		t.Errorf("orders = %+v", s)
	}
	testchild.Eventually(t, 20*time.Second, "search comes by itself", func() bool { return w.status("search").Ready == 1 })
}
