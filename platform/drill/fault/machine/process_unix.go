//go:build unix

package machine

import (
	"fmt"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

// watch leaves a process that wakes p as soon as this program ends its pipe, by end or by
// its own death. Waking what is awake does nothing, so it may come too often.
func (p process) watch() (end func(), err error) {
	cmd := exec.Command("sh", "-c", "read -r _; kill -CONT "+strconv.Itoa(p.pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		_ = pipe.Close() // this is what it waits for
		_ = cmd.Wait()   // its kill fails where the process is gone
	}), nil
}

func (p process) stop() error   { return p.signal(syscall.SIGSTOP) }
func (p process) resume() error { return p.signal(syscall.SIGCONT) }
func (p process) kill() error   { return p.signal(syscall.SIGKILL) }

func (p process) signal(s syscall.Signal) error {
	if err := syscall.Kill(p.pid, s); err != nil {
		return fmt.Errorf("send %s to process %d: %w", s, p.pid, err)
	}
	return nil
}
