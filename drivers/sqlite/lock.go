package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// writeLock lets one writer of a database pass at a time: those of this pool in
// the order they came, and between pools and processes by turns, through a pair of
// lock files. SQLite's own lock has no order: a waiter polls it, and under load one
// that has just released it takes it again before a sleeping waiter looks.
type writeLock struct {
	path string        // of the database, for messages
	wait time.Duration // how long a writer waits at most
	file *lockFile     // nil when nobody outside this pool can reach the database

	mu     sync.Mutex
	taken  bool      // somebody holds the lock, or take is under way
	queue  []*waiter // the next in front
	closed bool
}

type waiter struct {
	ready chan struct{} // closed when the waiter was given the lock or err
	err   error
}

var errClosed = errors.New("sqlite: the database is closed")

// acquire returns nil when the caller holds the lock; then it must release it.
func (l *writeLock) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	if !l.taken {
		got, err := l.file.tryLock()
		if got || err != nil {
			l.taken = got
			l.mu.Unlock()
			return err
		}
		l.taken = true
		go l.take()
	}
	w := &waiter{ready: make(chan struct{})}
	l.queue = append(l.queue, w)
	l.mu.Unlock()
	return l.await(ctx, w)
}

func (l *writeLock) await(ctx context.Context, w *waiter) error {
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	var late error
	select {
	case <-w.ready:
		return w.err
	case <-ctx.Done():
		late = fmt.Errorf("sqlite: gave up waiting for the write lock of %s: %w", l.path, ctx.Err())
	case <-timer.C:
		late = &dbError{state: lockNotAvailable, message: fmt.Sprintf(
			"sqlite: %s has been locked for writing for more than %s: look for a transaction that was not ended, or for a write beside the transaction it waits for", l.path, l.wait)}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.ready: // it came after all
		return w.err
	default:
		l.queue = slices.DeleteFunc(l.queue, func(other *waiter) bool { return other == w })
		return late
	}
}

// release ends the caller's turn.
func (l *writeLock) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.unlock()
	l.taken = false
	if len(l.queue) == 0 {
		l.closeIfDone()
		return
	}
	l.taken = true
	if got, err := l.file.tryLock(); got || err != nil {
		l.grant(err)
		return
	}
	go l.take()
}

// take waits for the lock files on behalf of whoever is first in the queue when
// they are obtained: waiting for a file lock cannot be canceled, a writer can.
func (l *writeLock) take() {
	err := l.file.lock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grant(err)
}

// grant gives the lock, or the error that came instead, to the first waiter.
func (l *writeLock) grant(err error) {
	for len(l.queue) > 0 {
		l.pop(err)
		if err == nil {
			return
		}
	}
	if err == nil { // all gave up meanwhile
		l.file.unlock()
	}
	l.taken = false
	l.closeIfDone()
}

// pop tells the first waiter that it has the lock, or why not.
func (l *writeLock) pop(err error) {
	w := l.queue[0]
	l.queue = slices.Delete(l.queue, 0, 1)
	w.err = err
	close(w.ready)
}

// close makes every later acquire fail, and those that wait.
func (l *writeLock) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for len(l.queue) > 0 {
		l.pop(errClosed)
	}
	l.closeIfDone()
}

// closeIfDone closes the files once nobody uses them: a descriptor closed under a
// waiting system call may already be another file's.
func (l *writeLock) closeIfDone() {
	if l.closed && !l.taken {
		l.file.close()
		l.file = nil
	}
}
