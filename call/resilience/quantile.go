package resilience

import (
	"math/bits"
	"time"
)

// The latencies that a quantile tells apart: 16 steps to each doubling from 64 us on,
// so that it is at most 6 % too high; those beyond 67 s are the last step.
const (
	finest  = 64 * time.Microsecond
	octave  = 16
	octaves = 20
	steps   = octave*octaves + 1
)

// latencies is a histogram that forgets: what it tells comes from the current span and
// the one before. Its size is fixed.
type latencies struct {
	current, before [steps]uint32
	n, older        uint32
	since           time.Time
}

// add counts one latency and begins a new span when the current one is full and old.
func (l *latencies) add(now time.Time, took, span time.Duration, full uint32) {
	if l.since.IsZero() {
		l.since = now
	}
	if l.n >= full && now.Sub(l.since) >= span {
		l.before, l.older = l.current, l.n
		l.current, l.n, l.since = [steps]uint32{}, 0, now
	}
	l.current[stepOf(took)]++
	l.n++
}

// quantile returns the upper edge of the step that holds the q-quantile.
func (l *latencies) quantile(q float64) time.Duration {
	rank := uint64(q * float64(l.n+l.older))
	var seen uint64
	for i := range steps {
		if seen += uint64(l.current[i]) + uint64(l.before[i]); seen > rank {
			return edge(i)
		}
	}
	return edge(steps - 1)
}

// stepOf returns the step of a latency: step 0 is all below finest.
func stepOf(took time.Duration) int {
	if took < finest {
		return 0
	}
	u := int(took / (finest / octave)) // in sixteenths of finest, so at least 16
	shift := bits.Len(uint(u)) - 5     // leaves the leading one and four more bits
	return min(1+shift*octave+u>>shift-octave, steps-1)
}

// edge returns the upper bound of a step.
func edge(step int) time.Duration {
	if step == 0 {
		return finest
	}
	shift, part := (step-1)/octave, (step-1)%octave
	return time.Duration(octave+part+1) * (finest / octave) << shift
}
