package admission

import (
	"sync"
	"time"

	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/call/resilience"
)

// Meter lets so many calls in a second, evenly, and the more important first: each priority
// may run ahead of the rate by some time, the more important by more, so that these find
// room that the others leave. Chance alone would let in the same number, but two or three at
// once, and those wait for each other. Safe for concurrent use.
type Meter struct {
	mu     sync.Mutex
	bucket quota.Bucket
	rates  [resilience.Priorities]quota.Rate
}

// ahead is by how much time, and by how many calls at least, those of a priority may run
// ahead of the rate.
func ahead() [resilience.Priorities]struct {
	time  time.Duration
	calls int
} {
	return [resilience.Priorities]struct {
		time  time.Duration
		calls int
	}{{100 * time.Millisecond, 16}, {2 * time.Millisecond, 4}, {time.Millisecond, 2}, {0, 1}}
}

// Set makes the rate so many calls a second, at least one.
func (m *Meter) Set(perSecond float64) {
	perSecond = max(1, perSecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, a := range ahead() {
		m.rates[p] = quota.Rate{Count: int(1000 * perSecond), Per: 1000 * time.Second, Burst: max(a.calls, int(perSecond*a.time.Seconds()))}
	}
}

// Allow reports whether a call gets in.
func (m *Meter) Allow(now time.Time, p resilience.Priority) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	ok, _ := m.bucket.Allow(now, m.rates[p.Class()], 1)
	return ok
}
