//go:build linux || darwin

package metrics

import "syscall"

// freeBytes returns how much the disk of a folder still takes from an ordinary user.
func freeBytes(folder string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail * uint64(fs.Bsize)), nil //nolint:gosec // sizes of a disk
}

// errLocked is what a lock that another process holds fails with.
const errLocked = syscall.EAGAIN

// errFull is what a write to a full disk fails with.
const errFull = syscall.ENOSPC
