//go:build unix

package host

import (
	"syscall"
	"time"
)

// OwnCPU returns the CPU this process has used, user and system.
func OwnCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
