//go:build unix

package ctl

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock, which ends with the process however that ends.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
