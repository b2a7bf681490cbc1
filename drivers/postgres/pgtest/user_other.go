//go:build !linux

package pgtest

import (
	"os"
	"syscall"
)

var immediateShutdown = os.Kill

// unprivileged starts the server as the user who runs the tests.
func unprivileged(string) (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{}, nil }
