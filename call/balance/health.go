package balance

import (
	"math"
	"time"
)

// window is the time over which success rates are compared.
const window = int64(10 * time.Second)

const (
	leastPeers = 5    // fewer say nothing about what is usual
	leastCalls = 100  // of an endpoint within a window
	deviations = 1.9  // below the mean success rate,
	leastGap   = 0.05 // and this much: where all answer alike, the worst is no outlier
)

// health is how an endpoint answered of late.
type health struct {
	consecutive int   // failures since the last success
	begun       int64 // unix ns of the current window
	ok, failed  int   // in the current window
	lastOK      int   // in the window before
	lastFailed  int
	times       int   // ejections in a row
	back        int64 // unix ns of the last return
}

func (h *health) good(now int64) {
	h.roll(now)
	h.consecutive = 0
	h.ok++
}

func (h *health) bad(now int64) {
	h.roll(now)
	h.consecutive++
	h.failed++
}

func (h *health) roll(now int64) {
	switch age := now - h.begun; {
	case age < window:
		return
	case age < 2*window:
		h.lastOK, h.lastFailed = h.ok, h.failed
		h.begun += window
	default:
		h.lastOK, h.lastFailed = 0, 0
		h.begun = now
	}
	h.ok, h.failed = 0, 0
}

// rate is the success rate of the last full window.
func (h *health) rate(now int64) (rate float64, enough bool) {
	h.roll(now)
	n := h.lastOK + h.lastFailed
	return float64(h.lastOK) / float64(max(1, n)), n >= leastCalls
}

// mayEject returns how many of n endpoints may be ejected: their share, rounded down,
// but one of two or more, or else small sets had no protection at all.
func mayEject(n int, share float64) int {
	if n < 2 {
		return 0
	}
	return max(1, int(share*float64(n)+1e-9))
}

// sentence is how long the n-th ejection in a row lasts.
func (c Ejection) sentence(times int) time.Duration {
	d := c.First * time.Duration(min(times, 1000))
	return min(d, c.Longest)
}

// judge ejects and brings back: the endpoints' fates at now. s.mu is held.
func (s *Set) judge(now int64) {
	cfg := s.cfg.Eject
	floor := s.lowestRate(now)
	out := 0
	for _, e := range s.members {
		if e.ejected.Load() > now {
			out++
		}
	}
	for _, e := range s.members {
		e.mu.Lock()
		h := &e.health
		until := e.ejected.Load()
		switch {
		case until > now:
		case until != 0:
			e.ejected.Store(0)
			h.consecutive, h.back = 0, now
			h.begun = 0
			h.roll(now) // what it did before is paid for
		default:
			if h.times > 0 && now-h.back >= int64(cfg.First)*int64(h.times) {
				h.times, h.back = h.times-1, now // well for as long as it was out
			}
			rate, enough := h.rate(now)
			bad := h.consecutive >= cfg.Consecutive || enough && rate < floor
			if bad && !cfg.Off && out < mayEject(len(s.members), cfg.Share) {
				out++
				s.outs.Add(1)
				h.times++
				h.consecutive = 0
				e.ejected.Store(now + int64(cfg.sentence(h.times)))
			}
		}
		e.mu.Unlock()
	}
}

// lowestRate returns the success rate below which an endpoint is an outlier; 0 when too
// little is known.
func (s *Set) lowestRate(now int64) float64 {
	n, sum, squares := 0, 0.0, 0.0
	for _, e := range s.members {
		if e.ejected.Load() > now {
			continue
		}
		e.mu.Lock()
		rate, enough := e.health.rate(now)
		e.mu.Unlock()
		if enough {
			n++
			sum += rate
			squares += rate * rate
		}
	}
	if n < leastPeers {
		return 0
	}
	mean := sum / float64(n)
	return mean - max(leastGap, deviations*math.Sqrt(max(0, squares/float64(n)-mean*mean)))
}

// release brings back those that were ejected most briefly until no more are out than
// may be: the set has shrunk. s.mu is held.
func (s *Set) release(now int64) {
	for {
		out := 0
		var mildest *Endpoint
		for _, e := range s.members {
			if until := e.ejected.Load(); until > now {
				out++
				if mildest == nil || until < mildest.ejected.Load() {
					mildest = e
				}
			}
		}
		if out <= mayEject(len(s.members), s.cfg.Eject.Share) {
			return
		}
		mildest.ejected.Store(now)
	}
}

// Probed tells what a probe from outside found: a success brings an ejected endpoint
// back at once, a failure counts like that of a call.
func (e *Endpoint) Probed(now time.Time, well bool) {
	if !well {
		e.Observe(now, 0, Failed)
		return
	}
	at := now.UnixNano()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.health.consecutive = 0
	e.suspect.Store(0)
	if e.ejected.Load() > at {
		e.ejected.Store(at) // its return is judged with the next pick
		if set := e.set.Load(); set != nil {
			set.due.Store(at)
		}
	}
}
