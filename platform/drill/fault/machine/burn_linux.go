package machine

import (
	"os/exec"
	"syscall"
)

// withParent makes the kernel kill the child with the thread that starts it.
func withParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
