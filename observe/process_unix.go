//go:build unix

package observe

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// cpuTime returns what the process has used of the CPU.
func cpuTime() (user, system time.Duration, ok bool) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, 0, false
	}
	return time.Duration(used.Utime.Nano()), time.Duration(used.Stime.Nano()), true
}

// residentMemory returns the bytes of physical memory in use, where the system has them in
// /proc (proc_pid_statm(5)).
func residentMemory() (int64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
