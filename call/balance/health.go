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
	away        bool  // the last attempt, or probe, did not reach it
	begun       int64 // unix ns of the current window
	ok, failed  int   // in the current window
	lastOK      int   // in the window before
	lastFailed  int
	times       int   // ejections in a row
	back        int64 // unix ns of the last return
}

func (h *health) good(now int64) {
	h.roll(now)
	h.consecutive, h.away = 0, false
	h.ok++
}

func (h *health) bad(now int64) {
	h.roll(now)
	h.consecutive, h.away = h.consecutive+1, false
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
				s.doubt.Store(true)
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

// ask is how long before the end of an ejection an endpoint is probed, and doubted is how
// long it is passed over after a probe that failed: until the next one has had its time.
const (
	ask     = int64(1500 * time.Millisecond)
	doubted = int64(2500 * time.Millisecond)
)

// Doubtful reports whether the endpoint is to be probed at now, before a call goes to it
// while others are there: it was not reached or was silent a moment before, or it is
// ejected for not being reached, or will soon not be ejected any more. What becomes of the
// probe is told by Probed.
func (e *Endpoint) Doubtful(now time.Time) bool {
	at := now.UnixNano()
	if e.suspect.Load() > at {
		return true
	}
	until := e.ejected.Load()
	if until <= at {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.health.away || until-at <= ask
}

// Probed tells what a probe from outside found. One that failed has the endpoint passed
// over, while others are there, until a probe goes well. A good one brings back at once
// who could not be reached. It does not shorten the ejection of one that answered badly or not at
// all, as a probe is not what it failed at.
func (e *Endpoint) Probed(now time.Time, well bool) {
	at := now.UnixNano()
	e.mu.Lock()
	defer e.mu.Unlock()
	set := e.set.Load()
	switch {
	case !well:
		e.health.away = true
		e.suspect.Store(at + doubted)
		set.doubts()
	case e.health.away:
		e.health.away, e.health.consecutive = false, 0
		e.suspect.Store(0)
		if e.ejected.Load() > at {
			e.ejected.Store(at) // its return is judged with the next pick
			if set != nil {
				set.due.Store(at)
			}
		}
	}
}

// Ended tells how a long exchange went that was begun well, such as a stream: its length
// says nothing of how soon the endpoint answers.
func (e *Endpoint) Ended(now time.Time, outcome Outcome) {
	at := now.UnixNano()
	e.mu.Lock()
	defer e.mu.Unlock()
	switch outcome {
	case OK:
		e.suspect.Store(0)
		e.health.good(at)
	case Failed, Unreachable:
		set := e.set.Load()
		if e.health.bad(at); set != nil && e.health.consecutive >= set.cfg.Eject.Consecutive {
			set.due.Store(at)
		}
	default: // it shed the work, or nothing is known
	}
}
