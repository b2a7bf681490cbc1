package group

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/windows"
)

// Own returns the attributes with which a child starts a group of its own, so
// that a Ctrl-C in the console reaches the supervisor alone.
func Own() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// OwnSession is like Own, and also leaves the console.
func OwnSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}

// Terminate asks the group to end: a Ctrl-Break, which a Go program receives as
// os.Interrupt and most others as the end.
func Terminate(id int) error {
	if err := check(id); err != nil {
		return fmt.Errorf("terminate group %d: %w", id, err)
	}
	if err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(id)); err != nil {
		return fmt.Errorf("send Ctrl-Break to process group %d: %w", id, err)
	}
	return nil
}

// Kill ends the process and those it started, as far as Windows still knows
// whose children they are. ErrGone if the process is not there.
func Kill(id int) error {
	if err := check(id); err != nil {
		return fmt.Errorf("kill group %d: %w", id, err)
	}
	if exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(id)).Run() == nil {
		return nil
	}
	p, err := os.FindProcess(id)
	if err != nil {
		return ErrGone
	}
	defer func() { _ = p.Release() }()
	if err := p.Kill(); err != nil {
		return ErrGone
	}
	return nil
}
