package resilience

import (
	"cmp"
	"sync"
	"time"
)

// HedgeSettings say when a call that takes long is made a second time beside the
// first. The zero value means [DefaultHedge].
type HedgeSettings struct {
	After    time.Duration `yaml:"after"`    // a fixed delay; 0: Quantile tells it
	Quantile Share         `yaml:"quantile"` // of the latencies seen; 0 means 95 %
	Least    time.Duration `yaml:"least"`    // never sooner than this; 0 means 1 ms
}

// DefaultHedge starts the second attempt when the first has taken longer than 95 of
// 100 calls do, as in "The Tail at Scale" (Dean, Barroso, 2013).
var DefaultHedge = HedgeSettings{Quantile: 0.95, Least: time.Millisecond}

// How a Hedge learns.
const (
	hedgeSamples = 50               // fewer say nothing about a 95th percentile
	hedgeSpan    = 10 * time.Second // it looks back on this much and as much before
	hedgeFresh   = 32               // samples after which the quantile is computed anew
)

// Hedge learns how long the calls to one target take and tells after what delay a
// second attempt may start. It holds about 3 KB. The zero value has the default
// settings; a nil *Hedge never hedges. Safe for concurrent use.
type Hedge struct {
	mu       sync.Mutex
	settings HedgeSettings
	seen     latencies
	value    time.Duration // the quantile as last computed
	stale    uint32        // samples since
	second   uint64
	won      uint64
}

// NewHedge returns a hedge with these settings that knows nothing yet.
func NewHedge(s HedgeSettings) *Hedge { return &Hedge{settings: s} }

// Set changes the settings; what was learnt stays.
func (h *Hedge) Set(s HedgeSettings) {
	h.mu.Lock()
	h.settings, h.value = s, 0
	h.mu.Unlock()
}

// Observe tells how long one attempt took to its answer. For an attempt that was given
// up because the other won, tell how long it had run: it would have taken longer, and
// leaving it out would make the target look faster than it is.
func (h *Hedge) Observe(now time.Time, took time.Duration) {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.seen.add(now, took, hedgeSpan, hedgeSamples)
	h.stale++
	h.mu.Unlock()
}

// Delay returns how long the first attempt of a call gets before a second one may
// start; false when none may: the call is not idempotent, or fewer than 50 calls were
// seen and no fixed delay is set. Whoever starts a second attempt asks the [Budget]
// first and calls Started.
func (h *Hedge) Delay(idempotent bool) (time.Duration, bool) {
	if h == nil || !idempotent {
		return 0, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	least := cmp.Or(h.settings.Least, DefaultHedge.Least)
	if h.settings.After > 0 {
		return max(h.settings.After, least), true
	}
	if h.seen.n+h.seen.older < hedgeSamples {
		return 0, false
	}
	if h.value == 0 || h.stale >= hedgeFresh {
		h.value = h.seen.quantile(float64(cmp.Or(h.settings.Quantile, DefaultHedge.Quantile)))
		h.stale = 0
	}
	return max(h.value, least), true
}

// Started counts a second attempt; won says whether its answer came first.
func (h *Hedge) Started(won bool) {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.second++
	if won {
		h.won++
	}
	h.mu.Unlock()
}

// HedgeStats tell what a hedge did.
type HedgeStats struct {
	After   time.Duration `json:"after"`   // the delay a call would get now; 0: none is hedged
	Samples uint64        `json:"samples"` // latencies looked back on
	Second  uint64        `json:"second"`  // second attempts, since the start
	Won     uint64        `json:"won"`     // of which answered first
}

// Stats returns what the hedge did; a nil Hedge did nothing.
func (h *Hedge) Stats() HedgeStats {
	if h == nil {
		return HedgeStats{}
	}
	after, _ := h.Delay(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	return HedgeStats{after, uint64(h.seen.n) + uint64(h.seen.older), h.second, h.won}
}
