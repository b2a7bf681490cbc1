package spans

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// How a queue works.
const (
	Room       = 16384                  // the most spans that wait
	batch      = 512                    // of one call of the exporter
	every      = 500 * time.Millisecond // so soon a span is sent
	sendWithin = 10 * time.Second       // one call
	firstWait  = 250 * time.Millisecond // after a failure; doubled with each
	mostWait   = 5 * time.Second
	mostAsked  = time.Minute // however long a backend asks to be left alone
	lastTries  = 3           // of Shutdown
)

// Permanent is implemented by errors of an exporter that trying again does not help
// against, as when the backend refuses what it is sent.
type Permanent interface{ Permanent() bool }

// Later is implemented by errors of an exporter whose backend asks to be left alone for so
// long before the next try.
type Later interface{ RetryAfter() time.Duration }

// Queue sends spans in batches, half a second after they came at most. A batch that
// cannot be sent is tried again, for as long as it takes, while up to [Room] spans wait
// behind it; what comes then is lost, counted and logged once until something is sent
// again. It is safe for concurrent use.
type Queue struct {
	exporter sdktrace.SpanExporter
	log      *slog.Logger

	mu      sync.Mutex
	waiting []sdktrace.ReadOnlySpan
	lost    int64 // since the last success
	total   int64
	closed  bool

	bell  chan struct{}   // something came
	full  chan struct{}   // a batch is together
	flush chan chan error // of whoever waits until all is sent
	stop  chan struct{}
	ended chan struct{}
	cut   context.CancelFunc // ends the call under way
}

// NewQueue returns a queue before exporter, which it shuts down with itself. log may be nil.
func NewQueue(exporter sdktrace.SpanExporter, log *slog.Logger) *Queue {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cut := context.WithCancel(context.Background())
	q := &Queue{
		exporter: exporter, log: log, bell: make(chan struct{}, 1), full: make(chan struct{}, 1),
		flush: make(chan chan error), stop: make(chan struct{}), ended: make(chan struct{}), cut: cut,
	}
	go q.run(ctx)
	return q
}

// Lost returns how many spans could not be sent or kept so far.
func (q *Queue) Lost() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}

func (q *Queue) add(s sdktrace.ReadOnlySpan) {
	q.mu.Lock()
	if q.closed || len(q.waiting) >= Room {
		first := q.lose(1) && !q.closed
		q.mu.Unlock()
		if first {
			q.log.Warn("telemetry cannot be sent: spans are lost", "waiting", Room)
		}
		return
	}
	q.waiting = append(q.waiting, s)
	n := len(q.waiting)
	q.mu.Unlock()
	switch n {
	case 1:
		ring(q.bell)
	case batch:
		ring(q.full)
	}
}

// lose counts spans and reports whether they are the first of a burst. The lock is held.
func (q *Queue) lose(n int64) bool {
	q.total += n
	q.lost += n
	return q.lost == n
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default: // it has rung
	}
}

// run sends until stop.
func (q *Queue) run(ctx context.Context) {
	defer close(q.ended)
	timer := time.NewTimer(every)
	defer timer.Stop()
	var wait, least time.Duration // before the next try; 0: nothing failed
	for {
		due, full := timer.C, q.full
		switch left := q.length(); {
		case left == 0:
			due = nil
		case wait > 0:
			full = nil // more spans do not mend it
			timer.Reset(max(wait/2+rand.N(wait/2), least))
		case left >= batch:
			timer.Reset(0)
		default:
			timer.Reset(every)
		}
		var asked chan error
		select {
		case <-q.bell:
			continue // the time begins with what came
		case <-due:
		case <-full:
		case asked = <-q.flush:
		case <-q.stop:
			return
		}
		err := q.sendAll(ctx)
		if err == nil {
			wait, least = 0, 0
		} else {
			wait, least = min(max(2*wait, firstWait), mostWait), pauseOf(err)
		}
		if asked != nil {
			asked <- err
		}
	}
}

// pauseOf returns how long a backend wants to be left alone.
func pauseOf(err error) time.Duration {
	if later, ok := errors.AsType[interface {
		error
		Later
	}](err); ok {
		return min(later.RetryAfter(), mostAsked)
	}
	return 0
}

func (q *Queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// sendAll sends what waits, until there is none or a batch fails that is to be tried again.
func (q *Queue) sendAll(ctx context.Context) error {
	for {
		q.mu.Lock()
		n := min(batch, len(q.waiting))
		next := q.waiting[:n:n] // only behind it is anything added
		q.mu.Unlock()
		if n == 0 {
			return nil
		}
		err := q.send(ctx, next)
		var permanent Permanent
		refused := errors.As(err, &permanent) && permanent.Permanent()
		if err != nil && !refused {
			return err
		}
		q.mu.Lock()
		clear(next)
		if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
			q.waiting = nil
		}
		lost := q.lost
		if q.lost = 0; refused {
			q.total += int64(n)
		}
		q.mu.Unlock()
		if lost > 0 {
			q.log.Warn("telemetry is sent again", "lost", lost)
		}
		if refused {
			q.log.Warn("the backend of telemetry refused spans: they are lost", "lost", n, "error", err)
		}
	}
}

func (q *Queue) send(ctx context.Context, list []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	return q.exporter.ExportSpans(ctx, list)
}

// Flush makes a try to send what waits and returns what it came to.
func (q *Queue) Flush(ctx context.Context) error {
	asked := make(chan error, 1)
	select {
	case q.flush <- asked:
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-asked:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown sends what waits, in three tries at most and until ctx ends, and ends the queue
// and its exporter. What could not be sent is lost, and the error says so. Later calls do nothing.
func (q *Queue) Shutdown(ctx context.Context) error {
	q.mu.Lock()
	closed := q.closed
	q.closed = true
	q.mu.Unlock()
	if closed {
		return nil
	}
	var err error
	for try := 1; ; try++ {
		if err = q.Flush(ctx); err == nil || ctx.Err() != nil || try == lastTries {
			break
		}
		timer := time.NewTimer(firstWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	close(q.stop)
	q.cut()
	<-q.ended
	q.mu.Lock()
	left := len(q.waiting)
	q.total += int64(left)
	q.waiting = nil
	q.mu.Unlock()
	if left > 0 {
		err = fmt.Errorf("%d spans could not be sent: %w", left, err)
	}
	return errors.Join(err, q.exporter.Shutdown(context.WithoutCancel(ctx)))
}
