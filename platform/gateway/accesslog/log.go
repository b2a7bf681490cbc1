// Package accesslog writes one JSON line for each request. A request never waits for
// the disk: lines gather in memory, a goroutine writes them each second or when
// there are many, and what finds no room is dropped and counted.
package accesslog

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// flushEvery is how long a line may stay in memory.
	flushEvery = time.Second
	// flushAt wakes the writer before that.
	flushAt = 64 << 10
	// maxBuffer bounds the lines that wait for the writer, in bytes.
	maxBuffer = 4 << 20
)

// Log is an access log. It is safe for concurrent use.
type Log struct {
	out  io.Writer
	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	lines   []byte // waiting
	count   uint64 // of the lines waiting
	spare   []byte // the buffer that is not in use
	dropped uint64
	closed  bool
	err     error // of the last write that failed
}

// New returns a log that writes to out, from one goroutine. Close ends it.
func New(out io.Writer) *Log {
	l := &Log{out: out, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Add logs a request. It does not wait; the entry may be used again at once.
func (l *Log) Add(e *Entry) {
	l.mu.Lock()
	if l.closed || len(l.lines) >= maxBuffer {
		l.dropped++
		l.mu.Unlock()
		return
	}
	before := len(l.lines)
	l.lines = e.append(l.lines)
	l.count++
	full := before < flushAt && len(l.lines) >= flushAt
	l.mu.Unlock()
	if full {
		select {
		case l.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// Dropped returns how many requests were not logged, because the writer was too
// slow or failed.
func (l *Log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Close writes what waits, until ctx ends; then it returns without having written
// all. It returns the error of the last write that failed. Requests that end
// afterwards are dropped. Call it once.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	select {
	case <-l.done:
	case <-ctx.Done():
		return fmt.Errorf("the access log was not written to its end: %w", ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.wake:
		case <-l.stop:
			l.flush()
			return
		}
		l.flush()
	}
}

// flush writes the lines that wait. Meanwhile requests fill the other buffer.
func (l *Log) flush() {
	l.mu.Lock()
	lines, count := l.lines, l.count
	l.lines, l.count, l.spare = l.spare[:0], 0, nil
	l.mu.Unlock()
	var err error
	if len(lines) > 0 {
		_, err = l.out.Write(lines)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.err = fmt.Errorf("the access log cannot be written: %w", err)
		l.dropped += count
	}
	if cap(lines) <= 8*flushAt { // a burst's buffer is given back
		l.spare = lines
	}
}
