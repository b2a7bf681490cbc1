//go:build !linux

package machine

import "os/exec"

// withParent has no counterpart here: a bound on processor time alone ends an orphan.
func withParent(*exec.Cmd) {}
