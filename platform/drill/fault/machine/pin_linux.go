package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pin has all threads of a process run on these processors only, those that it makes later
// too, as a thread begins where its maker runs. undo puts back what was allowed to the process
// before; it is called once. A process of Go that was started without GOMAXPROCS counts its
// processors anew within some seconds.
func Pin(pid int, processors ...int) (undo func() error, err error) {
	var before, to unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &before); err != nil {
		return nil, fmt.Errorf("pin process %d: %w", pid, err)
	}
	for _, one := range processors {
		if !before.IsSet(one) {
			return nil, fmt.Errorf("pin process %d: processor %d is none of its own", pid, one)
		}
		to.Set(one)
	}
	return func() error { return allow(pid, &before) }, allow(pid, &to)
}

// allow sets it for every thread, twice: one may have been made by a thread that was not yet pinned.
func allow(pid int, set *unix.CPUSet) error {
	for range 2 {
		tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
		if err != nil {
			return fmt.Errorf("pin process %d: there is no such process", pid)
		}
		for _, t := range tasks {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(id, set); err != nil && !errors.Is(err, unix.ESRCH) { // it has ended since
				return fmt.Errorf("pin process %d: %w", pid, err)
			}
		}
	}
	return nil
}
