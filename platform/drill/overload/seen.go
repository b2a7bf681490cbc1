package overload

import (
	"sync"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/load/latency"
)

// seen is what the drill saw. note may be called concurrently.
type seen struct {
	shared string  // why the edge has no processor for itself; "" it has
	peak   float64 // requests a second that the edge can do
	began  time.Time
	result load.Result
	unsaid int64

	mu     sync.Mutex
	phase  []phase
	onsets phase // the first moments of too much, beside
}

// phase counts the requests that were meant to be sent in some time.
type phase struct {
	from, to  time.Duration // since the load's beginning
	asked, ok [resilience.Priorities]int64
	refused   int64
	other     map[string]int64 // those neither answered well nor refused, by status
	good, no  *latency.Histogram
}

func newPhase(from, to time.Duration) phase {
	return phase{from: from, to: to, other: map[string]int64{}, good: latency.New(), no: latency.New()}
}

// The phases that are judged.
const (
	goodDay = iota
	tooMuch
	wellAgain
)

// phases divides the time of a load; the first moments of each are left out, those of too
// much are kept beside.
func (s *seen) phases(side, long time.Duration) {
	end := side + long
	s.phase = []phase{newPhase(soon, side), newPhase(side+soon, end), newPhase(end+soon, end+side)}
	if long <= soon { // too short to notice: all of it is judged
		s.phase[tooMuch].from = side
	}
	s.onsets = newPhase(side, side+soon)
}

func (s *seen) note(one load.Sample) {
	p, err := resilience.ParsePriority(one.Flow)
	if err != nil || one.Cut {
		return
	}
	at := one.Intended.Sub(s.began)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onsets.note(at, p, one)
	for i := range s.phase {
		s.phase[i].note(at, p, one)
	}
}

func (f *phase) note(at time.Duration, p resilience.Priority, one load.Sample) {
	if at < f.from || at >= f.to {
		return
	}
	took := one.Ended.Sub(one.Intended)
	f.asked[p]++
	switch {
	case one.Err == nil:
		f.ok[p]++
		f.good.Record(took)
	case one.Shed || one.Status == load.Shed:
		f.refused++
		f.no.Record(took)
	default:
		f.other[one.Status]++
	}
}

func (f *phase) sum() (asked, ok int64) {
	for p := range f.asked {
		asked, ok = asked+f.asked[p], ok+f.ok[p]
	}
	return asked, ok
}

// rate is how many were answered well, a second.
func (f *phase) rate() float64 {
	_, ok := f.sum()
	return float64(ok) / (f.to - f.from).Seconds()
}
