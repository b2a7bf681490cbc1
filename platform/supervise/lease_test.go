//go:build unix

package supervise

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/problem"
)

// lateRegistry lets deregistrations go only when it is told to, as a slow network might.
type lateRegistry struct {
	instance.Registry

	late chan struct{}
	gone atomic.Int64
}

func (r *lateRegistry) Delete(ctx context.Context, id, lease string) error {
	<-r.late
	err := r.Registry.Delete(context.WithoutCancel(ctx), id, lease)
	r.gone.Add(1)
	return err
}

// The deregistration of a process that died may arrive when the next one is registered
// under its id: it must not end that.
func TestLateDeregistrationLeavesTheNextProcess(t *testing.T) {
	slow := &lateRegistry{late: make(chan struct{})}
	w := newWorld(t, func(c *Config) {
		slow.Registry = c.Registry
		c.Registry = slow
	}, aService("orders", testchild.Ready, ""))
	w.up()
	first := w.one("orders").PID
	mark := w.mark()
	if err := w.Kill("orders-1"); err != nil {
		t.Fatal(err)
	}
	w.awaitAfter(mark, event.Ready, "orders-1")
	next := w.one("orders").PID
	beats := func() bool { list := w.registered("orders"); return len(list) == 1 && list[0].State == discovery.Ready }
	testchild.Eventually(t, 10*time.Second, "the next process is registered", beats)
	if a, b := leaseOf(t, first), leaseOf(t, next); a != "" || b == "" {
		t.Errorf("the dead process has lease %q, the next %q", a, b)
	}
	close(slow.late)
	testchild.Eventually(t, 10*time.Second, "the late deregistration arrives", func() bool { return slow.gone.Load() > 0 })
	if !beats() || w.one("orders").LeaseErr != "" {
		t.Errorf("the late deregistration ended the next process's lease: %v, %q", w.registered("orders"), w.one("orders").LeaseErr)
	}
}

// leaseOf returns by which lease a process was told that it is known; "" when it is dead.
func leaseOf(t *testing.T, pid int) string {
	t.Helper()
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		if _, err := os.Stat("/proc/self/environ"); err != nil {
			t.Skip("suite lease: there is no /proc to read a process's variables from")
		}
		return ""
	}
	for v := range strings.SplitSeq(string(env), "\x00") {
		if lease, ok := strings.CutPrefix(v, "MUSTER_LEASE="); ok {
			return lease
		}
	}
	return ""
}

// takenRegistry says that another process holds every id.
type takenRegistry struct{ instance.Registry }

func (takenRegistry) Put(context.Context, discovery.Instance, string) error {
	return fmt.Errorf("registry: %w", problem.New(problem.Conflict, "the lease is over"))
}

// A program that registers itself, by a lease of its own, is known to the registry and
// need not say so.
func TestProgramThatHoldsItsIDItself(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Registry = takenRegistry{c.Registry} }, aService("orders", testchild.Ready, ""))
	w.up()
	if i := w.one("orders"); i.LeaseErr != "" {
		t.Errorf("%+v", i)
	}
}
