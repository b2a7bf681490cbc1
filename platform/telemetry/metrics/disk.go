package metrics

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// lookAgain is how long what was seen of the disk counts.
const lookAgain = 500 * time.Millisecond

// disk refuses before the disk is quite full: what is in memory needs room yet, and
// tsdb does not stand that there is none.
type disk struct {
	dir     string
	reserve int64
	now     func() time.Time

	mu     sync.Mutex
	looked time.Time
	full   bool
}

// room fails with ErrFull when less than the reserve is free.
func (d *disk) room() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); d.looked.IsZero() || now.Sub(d.looked) >= lookAgain || now.Before(d.looked) {
		free, err := freeBytes(d.dir)
		d.looked, d.full = now, err == nil && free < d.reserve
	}
	if d.full {
		return ErrFull
	}
	return nil
}

// explain makes ErrFull of the error of a write to a full disk.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errFull):
		return ErrFull
	}
	return fmt.Errorf("metrics: %w", err)
}

// locked reports whether an error is that of a folder which another process has open.
func locked(err error) bool { return errors.Is(err, errLocked) }
