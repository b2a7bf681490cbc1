//go:build linux || darwin

package broker

import "syscall"

// freeBytes returns how much the disk of a folder still takes from an ordinary user.
func freeBytes(folder string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail * uint64(fs.Bsize)), nil //nolint:gosec // sizes of a disk
}
