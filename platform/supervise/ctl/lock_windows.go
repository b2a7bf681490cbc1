package ctl

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes the lock, which ends with the process however that ends. The lock
// is on a byte far behind the text, which others may then read.
func lockFile(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: 1 << 20})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}
