//go:build unix

package preflight

import "syscall"

// openFiles checks the limit that a fleet under load meets first.
func openFiles() Finding {
	const least = 4096
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return warn("open files", "the limit cannot be read: %v", err)
	}
	if l.Max < least {
		return warn("open files", "at most %d for a process: raise it (ulimit -n %d), each connection needs one", l.Max, least)
	}
	return ok("open files", "up to %d for a process", l.Max)
}
