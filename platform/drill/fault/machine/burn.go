package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
)

// MaxBurn is how long processors may be burnt at most.
const MaxBurn = 10 * time.Minute

// Burner keeps processors busy by processes that do nothing else.
type Burner struct {
	began   time.Time
	n       int
	stop    context.CancelFunc
	burning sync.WaitGroup
	pids    []int
}

// Burn keeps n processors busy for at most d, by one process each; n is 1 to the number
// of processors, 0 means all, and d at most MaxBurn. The processes end with ctx, with
// Stop, after d, and by the kernel's bound on their processor time even when this program
// is killed. They have the priority of any other, so what they take is a fair share.
// The error has [fault.NotRun] where there is no POSIX shell to run them.
func Burn(ctx context.Context, n int, d time.Duration) (*Burner, error) {
	n = cmp.Or(n, runtime.NumCPU())
	if n < 0 || n > runtime.NumCPU() {
		return nil, fmt.Errorf("burn %d processors: this machine has 1 to %d", n, runtime.NumCPU())
	}
	if d <= 0 || d > MaxBurn {
		return nil, fmt.Errorf("burn for %s: it must be more than 0 and at most %s", d, MaxBurn)
	}
	shell, err := exec.LookPath("sh")
	if err != nil || runtime.GOOS == "windows" {
		return nil, &fault.NotRun{Fault: "CPU burn", Reason: "there is no sh to run the burning processes"}
	}
	ctx, stop := context.WithTimeout(ctx, d)
	b := &Burner{began: time.Now(), n: n, stop: stop}
	// The processor time of a process is never more than the time that passes.
	script := fmt.Sprintf("ulimit -t %d && while :; do :; done", int(d/time.Second)+2)
	started := make(chan error, n)
	for range n {
		cmd := exec.CommandContext(ctx, shell, "-c", script)
		withParent(cmd)
		b.burning.Go(func() {
			// A parent's death is its thread's: this one stays until the child is gone.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			err := cmd.Start()
			started <- err
			if err == nil {
				_ = cmd.Wait() // it was killed, as was meant
			}
		})
		if err := <-started; err != nil {
			b.stop()
			b.burning.Wait()
			return nil, fmt.Errorf("burn: start a process: %w", err)
		}
		b.pids = append(b.pids, cmd.Process.Pid)
	}
	return b, nil
}

// Wait returns when the burning has ended by itself, or ctx did.
func (b *Burner) Wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		b.burning.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("processors are still burnt"), ctx.Err())
	}
}

// Stop ends the burning processes and returns when all are dead and collected. Calling
// it again does nothing more.
func (b *Burner) Stop() fault.Proof {
	start := time.Now()
	b.stop()
	b.burning.Wait()
	return fault.Proof{
		Fault: fmt.Sprintf("burn of %d processors for %s", b.n, start.Sub(b.began).Round(time.Millisecond)),
		Seen:  fmt.Sprintf("its processes %v are dead and collected", b.pids),
		Took:  time.Since(start), Probes: 1,
	}
}
