//go:build unix

package group

import (
	"errors"
	"fmt"
	"syscall"
)

// Own returns the attributes with which a child starts a group of its own, so
// that a Ctrl-C in the terminal reaches the supervisor alone.
func Own() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// OwnSession returns the attributes with which a child starts a session of its
// own: besides Ctrl-C it then survives the closing of the terminal.
func OwnSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// Terminate asks every process of the group to end (SIGTERM). ErrGone if none is left.
func Terminate(id int) error { return signal(id, syscall.SIGTERM) }

// Kill ends every process of the group (SIGKILL). ErrGone if none is left.
func Kill(id int) error { return signal(id, syscall.SIGKILL) }

func signal(id int, sig syscall.Signal) error {
	if err := check(id); err != nil {
		return fmt.Errorf("signal group %d: %w", id, err)
	}
	err := syscall.Kill(-id, sig)
	if errors.Is(err, syscall.ESRCH) {
		return ErrGone
	}
	if err != nil {
		return fmt.Errorf("send %v to process group %d: %w", sig, id, err)
	}
	return nil
}
