package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// lockFile is the lock between processes. The write lock proper is an exclusive
// lock on <database>.lock, held for one write transaction. Before waiting for it a
// process must hold <database>.lock-next, so at most one waits and it is the next:
// a process that has released the lock and wants it again queues behind that one.
// The system frees both when a process dies. The files stay: to delete one that
// somebody waits for would split the queue in two.
//
// A nil *lockFile locks nothing. Its methods are for one goroutine at a time.
type lockFile struct {
	write, next *os.File
	isNext      bool // this lockFile holds next
}

func openLockFile(path string) (*lockFile, error) {
	write, err := openForLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	next, err := openForLock(path + ".lock-next")
	if err != nil {
		_ = write.Close()
		return nil, err
	}
	return &lockFile{write: write, next: next}, nil
}

func openForLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrPermission) { // another user's: for locking, reading is enough
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite: cannot open the lock file: %w: let this user write in the folder of the database", err)
	}
	return f, nil
}

// tryLock takes the lock if that needs no waiting.
func (f *lockFile) tryLock() (bool, error) {
	if f == nil {
		return true, nil
	}
	if !f.isNext {
		got, err := flock(f.next, false)
		if !got || err != nil {
			return false, err
		}
		f.isNext = true
	}
	got, err := flock(f.write, false)
	if got || err != nil {
		f.leaveNext()
	} // else the caller goes on to lock, and keeps its place
	return got, err
}

// lock waits for the lock.
func (f *lockFile) lock() error {
	if f == nil {
		return nil
	}
	if !f.isNext {
		if _, err := flock(f.next, true); err != nil {
			return err
		}
		f.isNext = true
	}
	_, err := flock(f.write, true)
	f.leaveNext()
	return err
}

func (f *lockFile) leaveNext() {
	_ = funlock(f.next) // fails only for a descriptor that is not open
	f.isNext = false
}

func (f *lockFile) unlock() {
	if f != nil {
		_ = funlock(f.write)
	}
}

func (f *lockFile) close() {
	if f != nil {
		_ = f.write.Close()
		_ = f.next.Close()
	}
}
