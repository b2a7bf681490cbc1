package watch

import (
	"errors"
	"fmt"
	"syscall"
)

// explain says what to do about the limits that systems set.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the system watches too many folders already; raise fs.inotify.max_user_watches: %w", err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("too many files are open; raise fs.inotify.max_user_instances or ulimit -n: %w", err)
	default:
		return err
	}
}
