//go:build unix

package supervise

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/probe"
)

// successor is an engine whose processes follow each other; serves is the pid of the one that
// serves, 0 any, -1 none.
func successor(t *testing.T, serves *atomic.Int64) Engine {
	t.Helper()
	e := anEngine(t, "edge", testchild.Silent)
	e.Front, e.Port = true, 0
	e.Ready, e.Live = probe.Target{Kind: probe.None}, probe.Target{Kind: probe.None}
	e.Succeed, e.Leaves = []string{"--more"}, 50*time.Millisecond
	e.Serves = func(_ context.Context, pid int) bool { n := serves.Load(); return n == 0 || n == int64(pid) }
	return e
}

// engines returns the processes of the one engine, that which counts first.
func (w *world) engines() (all []instance.Status) { return w.Status().Engines }

func TestUpgrade(t *testing.T) {
	var serves atomic.Int64
	w := newWorld(t, func(c *Config) { c.Engines = []Engine{successor(t, &serves), anEngine(t, "control", testchild.Ready)} },
		aService("orders", testchild.Ready, ""))
	if err := w.Upgrade(t.Context(), "edge", ""); !errors.Is(err, ErrNotReady) {
		t.Errorf("before it is up: %v", err)
	}
	w.up()
	if err := w.Upgrade(t.Context(), "control", ""); err == nil || !strings.Contains(err.Error(), "cannot be upgraded") {
		t.Errorf("one that cannot: %v", err)
	}
	if err := w.Upgrade(t.Context(), "broker", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("one there is not: %v", err)
	}
	pid := func() int { return w.engines()[0].PID }
	one := func() bool { return len(w.engines()) == 2 } // and control

	first := pid()
	if err := w.Upgrade(t.Context(), "edge", ""); err != nil {
		t.Fatal(err)
	}
	second := pid()
	if second == first {
		t.Error("the same process is in its own place")
	}
	testchild.Eventually(t, 10*time.Second, "the old process was told to end", one)

	serves.Store(int64(second))
	if err := w.Upgrade(t.Context(), "edge", "/nowhere"); err == nil || !strings.Contains(err.Error(), "upgrade edge") {
		t.Errorf("a program there is not: %v", err)
	}
	if pid() != second || !one() {
		t.Errorf("after an upgrade that failed: %+v", w.engines())
	}

	serves.Store(-1) // it handed over, and the next one died
	if err := w.Upgrade(t.Context(), "edge", "/bin/false"); err == nil {
		t.Error("a program that fails came to serve")
	}
	testchild.Eventually(t, 10*time.Second, "another was started", func() bool {
		return one() && pid() != second && w.engines()[0].Phase == instance.Ready
	})
	if argv := w.Supervisor.cfg.Engines[0].Argv; argv[0] == "/bin/false" {
		t.Errorf("it is started by %v from now on", argv)
	}
	third := pid()
	serves.Store(0)
	if err := w.Kill("edge"); err != nil {
		t.Fatal(err)
	}
	testchild.Eventually(t, 10*time.Second, "it starts again by itself", func() bool { p := pid(); return p != 0 && p != third })
	if err := w.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
}
