package admission

import (
	"sync/atomic"
	"time"
)

// Row tells how long work waits for its turn now: whoever holds it has a probe wait with the
// work, another each time one is back. What a probe that is under way has waited until now counts
// too, so that a row is known to be long before the probe is through it. The zero value is a row
// in which nothing waits. Safe for concurrent use.
type Row struct {
	sent atomic.Int64 // when the probe that is under way was sent, in Unix nanoseconds; 0: none is
	last atomic.Int64 // nanoseconds that the last one waited
}

// Sent notes that a probe is under way.
func (r *Row) Sent(now time.Time) { r.sent.Store(now.UnixNano()) }

// Back notes that it is back.
func (r *Row) Back(now time.Time) {
	r.last.Store(now.UnixNano() - r.sent.Load())
	r.sent.Store(0)
}

// Wait is how long who has their turn now has waited, about.
func (r *Row) Wait(now time.Time) time.Duration {
	wait := r.last.Load()
	if sent := r.sent.Load(); sent != 0 {
		wait = max(wait, now.UnixNano()-sent)
	}
	return time.Duration(wait)
}
