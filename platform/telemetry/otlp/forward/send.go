package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"
)

// How much is sent at once: requests of one signal are joined, which in protobuf is
// putting one after the other.
const together = 1 << 20

// longest bounds the wait that a backend may ask for.
const longest = 5 * time.Minute

// exporter sends one request.
type exporter interface {
	export(ctx context.Context, signal string, body []byte) verdict
	close() error
}

// verdict is what became of a request.
type verdict struct {
	err      error         // nil: it was taken
	again    bool          // after an error: it may be sent again
	after    time.Duration // after an error: the other side asks for that pause
	rejected int64         // of what was taken: items that were not
	why      string        // and the reason
}

// send empties one queue until ctx ends.
func (f *Forwarder) send(ctx context.Context, signal string, q *queue) {
	failures, alone := 0, 0
	for ctx.Err() == nil {
		f.mu.Lock()
		most := int64(together)
		if alone > 0 { // what was refused together is sent one by one: one may be to blame
			most = 1
		}
		b, err := q.take(most)
		damaged := errors.Is(err, errFrame) || errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist)
		if damaged {
			f.drop(signal, q.dropOldest(), err)
		}
		f.mu.Unlock()
		switch {
		case damaged:
			continue
		case err != nil: // such as too many open files, which passes
			failures++
			f.failed(err, failures == 1)
			pause(ctx, backoff(f.cfg.Backoff, failures))
			continue
		}
		if len(b.entries) == 0 {
			select {
			case <-q.ready:
			case <-ctx.Done():
			}
			continue
		}
		v := f.try(ctx, signal, &b)
		if ctx.Err() != nil && v.err != nil {
			return
		}
		switch {
		case v.err != nil && v.again:
			failures++
			f.failed(v.err, failures == 1)
			pause(ctx, max(min(v.after, longest), backoff(f.cfg.Backoff, failures)))
		case v.err != nil && len(b.entries) > 1:
			alone = len(b.entries)
		default:
			failures, alone = 0, max(alone-1, 0)
			f.settle(signal, q, &b, v)
		}
	}
}

// try sends a batch as one request.
func (f *Forwarder) try(ctx context.Context, signal string, b *batch) verdict {
	body := b.entries[0].body
	for _, e := range b.entries[1:] {
		body = append(body, e.body...)
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	return f.exporter.export(ctx, signal, body)
}

// settle takes out of the queue what the other side took, or refused for good.
func (f *Forwarder) settle(signal string, q *queue, b *batch, v verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	items := b.items()
	if !q.done(b) {
		return // the queue was full meanwhile, and they are counted as dropped
	}
	if v.err != nil {
		f.drop(signal, items, v.err)
		return
	}
	f.fault = ""
	if rejected := min(v.rejected, items); rejected > 0 {
		f.drop(signal, rejected, fmt.Errorf("the backend left some out: %s", reason(v.why)))
		items -= rejected
	}
	f.sent[units[signal]] += items
}

func (f *Forwarder) failed(err error, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = err.Error()
	if first {
		f.log.Warn("telemetry cannot be sent on for now; it waits", "to", f.shown, "error", err)
	}
}

// backoff is the pause after the nth failure in a row: doubled each time, up to thirty
// times the first, and a random half of that less.
func backoff(first time.Duration, n int) time.Duration {
	d := min(first<<min(n-1, 5), 30*first)
	return d/2 + rand.N(d/2+1)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
