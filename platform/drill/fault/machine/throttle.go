package machine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
)

// slice is the time in which a throttled process runs its share and stands the rest: long
// beside what two signals cost, short beside what its users notice.
const slice = 20 * time.Millisecond

// Throttled is a process that runs for a share of the time.
type Throttled struct {
	paused  Paused
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Throttle lets a process run for a share of the time alone, more than 0 and less than 1,
// by SIGSTOP and SIGCONT in turns of 20 ms: a machine that is too small. What the process
// waits for goes on meanwhile, so it slows work, not waiting. It ends with ctx, with
// [Throttled.Remove], which must follow, or with this program.
func Throttle(ctx context.Context, pid int, share float64) (*Throttled, error) {
	if !(share > 0 && share < 1) {
		return nil, fmt.Errorf("throttle process %d to %v: the share must be more than 0 and less than 1", pid, share)
	}
	p, err := find(pid)
	if err != nil {
		return nil, fmt.Errorf("throttle: %w", err)
	}
	wake, err := p.watch()
	if err != nil {
		return nil, fmt.Errorf("throttle process %d: watch over it: %w", pid, err)
	}
	ctx, stop := context.WithCancel(ctx)
	t := &Throttled{paused: Paused{p, wake}, stop: stop}
	runs := time.Duration(share * float64(slice))
	t.running.Go(func() {
		for {
			if _, same := p.same(); !same {
				return
			}
			stopped := p.stop() == nil && rest(ctx, slice-runs)
			if p.resume() != nil || !stopped || !rest(ctx, runs) {
				return
			}
		}
	})
	return t, nil
}

// rest waits and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Remove lets the process run again and returns when it was seen to, or to be dead.
func (t *Throttled) Remove(ctx context.Context) (fault.Proof, error) {
	t.stop()
	t.running.Wait()
	proof, err := t.paused.Resume(ctx)
	proof.Fault = fmt.Sprintf("throttle of process %d", t.paused.process.pid)
	return proof, err
}
