//go:build !race

package checkout_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/crash"
)

// patience bounds every wait on a machine under load.
const patience = 30 * time.Second

// process is one service, as it runs in a process of its own: it can be killed and started
// again. Its ports, its instance's name and its database stay.
type process struct {
	service muster.Service
	drivers []muster.Driver
	env     map[string]string
	log     *journal

	life *life
	dead []*life // those before
}

// life is one run of a process.
type life struct {
	plan   *crash.Plan
	end    context.CancelFunc
	struck chan struct{} // closed when the plan crashed it
	ended  chan error
}

// journal takes a log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// start starts the process and returns when it serves.
func (p *process) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &life{end: cancel, struck: make(chan struct{}), ended: make(chan error, 1)}
	l.plan = crash.New(func() { cancel(); close(l.struck) })
	ready := make(chan struct{}, 1)
	go func() {
		l.ended <- muster.Run(ctx, []muster.Service{p.service},
			muster.With(p.drivers...), muster.LogTo(p.log), muster.Crash(l.plan),
			muster.Environment(func(name string) (string, bool) { v, ok := p.env[name]; return v, ok }),
			muster.OnReady(func(string, muster.Settings) { ready <- struct{}{} }))
	}()
	p.life = l
	select {
	case <-ready:
	case err := <-l.ended:
		l.ended <- err
		t.Fatalf("%s ended before it was ready: %v\n%s", p.service.Name, err, p.log)
	case <-time.After(patience):
		t.Fatalf("%s is not ready after %v\n%s", p.service.Name, patience, p.log)
	}
}

// restart starts the process again. What the one before still does, nobody sees: it ends
// beside it, with the test at the latest.
func (p *process) restart(t *testing.T) {
	t.Helper()
	p.dead = append(p.dead, p.life)
	p.log.mu.Lock()
	p.log.text.Reset()
	p.log.mu.Unlock()
	p.start(t)
}

// bury waits until nothing of a process that crashed can reach the world any more.
func (p *process) bury() { p.life.plan.Settle() }

// kill ends the process as SIGKILL does.
func (p *process) kill() {
	p.life.plan.Cut()
	p.life.end()
	p.bury()
}

// given are the ports that a world has, also while nobody listens there.
var given sync.Map

// freePorts returns ports of 127.0.0.1 that nobody listens at now and no other world has, below
// those that the system gives to connections, and those of fleets: while a service is dead, none
// gets its port.
func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for tries := 0; len(ports) < n; tries++ {
		port := strconv.Itoa(10_000 + rand.IntN(10_000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			if tries > 1000 {
				t.Fatal(err)
			}
			continue
		}
		_ = l.Close()
		if _, taken := given.LoadOrStore(port, true); !taken {
			ports = append(ports, port)
		}
	}
	return ports
}

// wait waits for a condition, and looks for it often.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if err := waitFor(patience, holds); err != nil {
		t.Fatalf("%v: not %s", err, what)
	}
}

func waitFor(bound time.Duration, holds func() bool) error {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(bound)
	defer late.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			return fmt.Errorf("after %v", bound)
		}
	}
	return nil
}
