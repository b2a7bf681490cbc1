package machine

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
)

// lookEvery is how often a process is looked at for a proof.
const lookEvery = 2 * time.Millisecond

// process is one on this machine, told from a later one of the same number by its start.
type process struct {
	pid   int
	began string // as the kernel counts it; "" where it does not say
}

// find returns a process that a drill may act on: it lives, is not this program and not
// the system's first.
func find(pid int) (process, error) {
	if pid <= 1 || pid == os.Getpid() || pid == os.Getppid() {
		return process{}, fmt.Errorf("process %d: a drill does not act on this program, its parent or the system's first process", pid)
	}
	_, began, err := look(pid)
	if err != nil {
		return process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return process{pid, began}, nil
}

// same reports whether the process is still the one that was found, and its state: a
// letter as in proc(5), 'Z' when it is dead.
func (p process) same() (state byte, same bool) {
	state, began, err := look(p.pid)
	return state, err == nil && began == p.began
}

// until looks at the process until its state is one that is wanted.
func (p process) until(ctx context.Context, name string, wanted func(state byte, same bool) bool) (fault.Proof, error) {
	proof, start := fault.Proof{Fault: name}, time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		proof.Probes++
		state, same := p.same()
		if wanted(state, same) {
			proof.Took = time.Since(start)
			proof.Seen = fmt.Sprintf("process %d is in state %q", p.pid, state)
			if !same || state == 'Z' {
				proof.Seen = fmt.Sprintf("process %d is gone", p.pid)
			}
			return proof, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return proof, fmt.Errorf("%s: process %d is in state %q: %w", name, p.pid, state, ctx.Err())
		}
	}
}

// Paused is a process that was stopped by SIGSTOP: its connections stay, its kernel
// accepts more, and nothing is answered.
type Paused struct {
	process process
	wake    func() // ends the watcher that wakes the process when this program dies
}

// Pause stops every thread of a process and returns when it was seen to stand. A process
// that waits for a disk stops when that has answered; ctx bounds the wait. Its children
// go on. [Paused.Resume] must follow, on every path; when this program dies first, a
// watcher that it leaves behind wakes the paused process and ends.
func Pause(ctx context.Context, pid int) (*Paused, error) {
	p, err := find(pid)
	if err != nil {
		return nil, fmt.Errorf("pause: %w", err)
	}
	wake, err := p.watch()
	if err != nil {
		return nil, fmt.Errorf("pause process %d: watch over it: %w", pid, err)
	}
	if err := p.stop(); err != nil {
		wake()
		return nil, err
	}
	stopped := func(state byte, same bool) bool { return !same || state == 'T' || state == 'Z' }
	if _, err := p.until(ctx, "pause", stopped); err != nil {
		_ = p.resume() // it must not stop after its drill has given up
		wake()
		return nil, err
	}
	if state, same := p.same(); !same || state == 'Z' {
		wake()
		return nil, fmt.Errorf("pause: process %d died first", pid)
	}
	return &Paused{p, wake}, nil
}

// Resume lets the process go on (SIGCONT) and returns when it was seen to, or to be dead.
// Another process that was given its number meanwhile is left alone.
func (p *Paused) Resume(ctx context.Context) (fault.Proof, error) {
	defer p.wake()
	name := fmt.Sprintf("pause of process %d", p.process.pid)
	if _, same := p.process.same(); same {
		if err := p.process.resume(); err != nil {
			return fault.Proof{Fault: name}, err
		}
	}
	return p.process.until(ctx, name, func(state byte, same bool) bool { return !same || state != 'T' })
}

// Kill ends a process as a crash would (SIGKILL) and returns when it was seen to be dead;
// its parent may still have to collect it.
func Kill(ctx context.Context, pid int) (fault.Proof, error) {
	p, err := find(pid)
	if err != nil {
		return fault.Proof{}, fmt.Errorf("kill: %w", err)
	}
	if err := p.kill(); err != nil {
		return fault.Proof{}, err
	}
	return p.until(ctx, fmt.Sprintf("life of process %d", pid), func(state byte, same bool) bool { return !same || state == 'Z' })
}
