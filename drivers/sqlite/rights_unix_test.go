//go:build unix

package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// dropRights makes root, to whom no file is read-only, an ordinary user.
func dropRights() error {
	if os.Getuid() != 0 {
		return nil
	}
	const nobody = 65534
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody))
}
