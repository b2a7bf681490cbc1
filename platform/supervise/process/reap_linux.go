package process

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/musterdev/muster/platform/supervise/group"
)

// deathSignal makes the kernel kill the child when the thread that started it
// dies. Starter therefore starts all children from one thread that stays.
func deathSignal(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// reap waits for the child's death and kills what is left of its group before
// the child is reaped: until then its number cannot be given to anybody else.
func (p *Process) reap() error {
	if err := awaitDeath(p.pid); err != nil {
		return p.reapFirst()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = group.Kill(p.pid)
	p.reaped = true
	return p.cmd.Wait()
}

// awaitDeath returns once the child is dead, and leaves it unreaped.
func awaitDeath(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
