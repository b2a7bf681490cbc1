package balance

import (
	"math"
	"sync/atomic"
)

// latency is an estimate in nanoseconds that jumps up to a worse observation at once
// and comes down by exponential decay over time, whether or not calls are made (the
// peak-EWMA of Finagle and Linkerd). Reading takes no lock; a reader that sees the
// halves of two writes errs by one observation.
type latency struct {
	peak  atomic.Uint64 // float64 bits
	stamp atomic.Int64  // unix ns of the last observation, 0 = none
}

const (
	peakDecay = 10e9 // ns until 1/e of a peak is left
	highest   = 10   // times the usual: one rare and long call does not banish an endpoint for minutes
)

// burden is how many times as dear an endpoint counts as it is seen to be, because it turns
// calls away: its quick refusals would draw ever more calls to it. It is kept apart from
// the latency, of which the usual one of the set is made: as a part of that it would feed
// on itself. It decays as a peak does.
type burden struct {
	times atomic.Uint64 // float64 bits; at least 1 when there is a stamp
	stamp atomic.Int64  // unix ns of the last refusal, 0 = none
}

// add counts one refusal; callers take turns.
func (b *burden) add(now int64) {
	b.times.Store(math.Float64bits(min(2*b.read(now), highest)))
	b.stamp.Store(now)
}

func (b *burden) read(now int64) float64 {
	stamp := b.stamp.Load()
	if stamp == 0 {
		return 1
	}
	return 1 + (math.Float64frombits(b.times.Load())-1)*decay(float64(now-stamp)/peakDecay)
}

// observe counts one observation; callers take turns. The first is not believed beyond
// what is usual, as it holds the time to connect.
func (l *latency) observe(now int64, took, usual float64) {
	stamp := l.stamp.Load()
	peak := math.Float64frombits(l.peak.Load())
	switch {
	case stamp == 0 && usual > 0:
		peak = min(took, usual)
	case took >= peak:
		peak = took
	default:
		w := decay(float64(now-stamp) / peakDecay)
		peak = peak*w + took*(1-w)
	}
	l.peak.Store(math.Float64bits(peak))
	l.stamp.Store(now)
}

// read returns the estimate: of an endpoint without observations it is usual, and one
// that was not called for long comes back to it.
func (l *latency) read(now int64, usual float64) float64 {
	stamp := l.stamp.Load()
	if stamp == 0 {
		return usual
	}
	peak := math.Float64frombits(l.peak.Load())
	if peak <= usual {
		return peak
	}
	return usual + (peak-usual)*decay(float64(now-stamp)/peakDecay)
}

// decay is e^-x for x >= 0 within a few per cent, without the cost of math.Exp.
func decay(x float64) float64 {
	if x <= 0 {
		return 1
	}
	return 1 / (1 + x*(1+x*(0.5+x*(1.0/6+x/24))))
}
