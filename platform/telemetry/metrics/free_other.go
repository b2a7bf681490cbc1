//go:build !linux && !darwin

package metrics

import "errors"

// freeBytes is not known here: a full disk is noticed by the write that fails.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }

var (
	errLocked = errors.New("the folder is locked")
	errFull   = errors.New("the disk is full")
)
