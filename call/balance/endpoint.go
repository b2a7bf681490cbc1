package balance

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is what one attempt told about the endpoint it went to.
type Outcome uint8

// The outcomes of an attempt.
const (
	OK          Outcome = iota // it answered, be it with a refusal of the request itself
	Failed                     // it is at fault: a broken connection, an internal error
	Shed                       // it is alive and says that it has too much to do
	Unreachable                // no connection came about
	Abandoned                  // the caller gave up waiting: what it waited is the least it would have taken
)

// suspicion is how long an endpoint that could not be reached is passed over while
// others are there. A registry learns of a death within a lease; this bridges it.
const suspicion = time.Second

// Endpoint is what a caller remembers of one instance. It is safe for concurrent use;
// it belongs to at most one Set.
type Endpoint struct {
	key string
	id  uint64

	weight   atomic.Int64
	inFlight atomic.Int64
	born     atomic.Int64  // unix ns when the set took it in, 0 = not yet
	suspect  atomic.Int64  // unix ns until which it is, 0 = not
	ejected  atomic.Int64  // unix ns until which it is, 0 = not
	turn     atomic.Uint64 // virtual time of its last turn, float64 bits
	latency  latency
	sheds    burden
	set      atomic.Pointer[Set]

	mu     sync.Mutex // for writing what follows, latency and sheds
	zone   string
	health health
}

// NewEndpoint returns an endpoint that nothing is known of yet. key names the instance
// to Hash, Maglev and subsets, and is the same at every caller, such as its id. Its
// weight is 100.
func NewEndpoint(key string) *Endpoint {
	e := &Endpoint{key: key, id: hash64(key)}
	e.weight.Store(100)
	return e
}

// Describe sets the endpoint's share of traffic beside its siblings (0 or less means
// 100) and its zone. A Set learns of a new zone with its next Replace.
func (e *Endpoint) Describe(weight int, zone string) {
	if weight <= 0 {
		weight = 100
	}
	e.weight.Store(int64(weight))
	e.mu.Lock()
	e.zone = zone
	e.mu.Unlock()
}

// Key returns the name it was made with.
func (e *Endpoint) Key() string { return e.key }

// InFlight returns how many calls are begun and not released.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Begin counts one call as in flight.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

// End is Observe and Release, for calls that end with their answer.
func (e *Endpoint) End(now time.Time, took time.Duration, outcome Outcome) {
	e.Observe(now, took, outcome)
	e.Release()
}

// Release ends what Begin began and returns how many calls are left.
func (e *Endpoint) Release() int64 { return e.inFlight.Add(-1) }

// Observe tells how one attempt went; took is the time until its answer began. It is
// called at most once an attempt, not at all for one that says nothing of the endpoint.
func (e *Endpoint) Observe(now time.Time, took time.Duration, outcome Outcome) {
	at, usual := now.UnixNano(), 0.0
	set := e.set.Load()
	if set != nil {
		usual = set.usual(float64(took))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.latency.read(at, usual)
	seen := float64(took)
	if set != nil {
		seen = min(seen, highest*usual)
	}
	switch outcome {
	case OK:
		e.latency.observe(at, seen, usual)
		e.suspect.Store(0)
		e.health.good(at)
		return
	case Shed:
		// Its refusals are quick, and tell nothing of how long it takes.
		e.sheds.add(at)
		e.suspect.Store(0)
		e.health.away = false
		return
	case Abandoned:
		e.latency.observe(at, max(seen, known), usual)
		if float64(took) < 3*usual {
			return // an impatient caller says nothing of it
		}
	case Unreachable:
		e.suspect.Store(max(e.suspect.Load(), at+int64(suspicion)))
		set.doubts()
	default:
		e.latency.observe(at, max(seen, known), usual) // failing fast is not being fast
	}
	e.health.bad(at)
	e.health.away = outcome == Unreachable
	if set != nil && e.health.consecutive >= set.cfg.Eject.Consecutive {
		set.due.Store(at)
	}
}

// Silent tells that none of the calls in flight has been answered for unusually long: for
// a moment the endpoint is passed over like one that cannot be reached, unless it answers.
func (e *Endpoint) Silent(now time.Time) {
	e.suspect.Store(now.UnixNano() + int64(suspicion))
	e.set.Load().doubts()
}

// Latency returns the estimate that PeakEWMA goes by; 0 when nothing is known.
func (e *Endpoint) Latency(now time.Time) time.Duration {
	usual := 0.0
	if set := e.set.Load(); set != nil {
		usual = math.Float64frombits(set.mean.Load())
	}
	return time.Duration(e.estimate(now.UnixNano(), usual))
}

// estimate returns how long a call is expected to take, longer than it was seen to take
// where the endpoint turns calls away.
func (e *Endpoint) estimate(now int64, usual float64) float64 {
	took := e.latency.read(now, usual)
	if times := e.sheds.read(now); times > 1 {
		return max(took, min(times*took, highest*usual))
	}
	return took
}

// Ejected reports whether the endpoint is left out at now for answering badly.
func (e *Endpoint) Ejected(now time.Time) bool { return e.ejected.Load() > now.UnixNano() }

// EjectedUntil returns until when the endpoint is left out for answering badly; the zero
// time when it is not at now.
func (e *Endpoint) EjectedUntil(now time.Time) time.Time {
	if until := e.ejected.Load(); until > now.UnixNano() {
		return time.Unix(0, until)
	}
	return time.Time{}
}

// Suspect reports whether the endpoint could not be reached, or was silent, a moment
// before now.
func (e *Endpoint) Suspect(now time.Time) bool { return e.suspect.Load() > now.UnixNano() }

// hash64 is FNV-1a with a final mix: the same in every process, unlike maphash.
func hash64(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
