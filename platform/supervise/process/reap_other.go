//go:build !linux

package process

import "syscall"

// deathSignal has no counterpart here: the guardian alone ends the children of
// a supervisor that was killed.
func deathSignal(*syscall.SysProcAttr) {}

func (p *Process) reap() error { return p.reapFirst() }
