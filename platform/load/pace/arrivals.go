package pace

import (
	"math"
	"math/rand/v2"
	"time"
)

// Arrivals are the times of one plan's visitors, one after the other. They come from the
// rate's integral: each is where that has grown by one (constant), or by a lot of mean
// one (Poisson), since the arrival before. So a ramp needs no small steps.
type Arrivals struct {
	stages []Stage
	random *rand.Rand // nil for constant ones
	stage  int
	began  time.Duration // of the stage
	grown  float64       // the integral at the next arrival, from the stage's beginning
}

// New returns the arrivals of some stages; random decides those that are not [Constant].
// It is for one goroutine.
func New(stages []Stage, kind Kind, random *rand.Rand) *Arrivals {
	a := &Arrivals{stages: stages}
	if kind == Poisson {
		a.random = random
		a.grown = a.lot() // else every run had a visitor in its first instant
	}
	return a
}

// Next returns when the next visitor comes, from the plan's beginning; false: nobody does
// any more.
func (a *Arrivals) Next() (time.Duration, bool) {
	for a.stage < len(a.stages) {
		s := a.stages[a.stage]
		from, to, length := float64(s.Rate), float64(s.End()), s.For.Seconds()
		whole := (from + to) / 2 * length
		if a.grown < whole {
			// from*t + (to-from)/(2*length)*t^2 = grown, solved so that nothing cancels
			slope := (to - from) / length
			root := math.Sqrt(max(0, from*from+2*slope*a.grown))
			at := 0.0
			if from+root > 0 {
				at = 2 * a.grown / (from + root)
			}
			a.grown += a.lot()
			return a.began + min(s.For, time.Duration(at*float64(time.Second))), true
		}
		a.grown -= whole
		a.began += s.For
		a.stage++
	}
	return 0, false
}

func (a *Arrivals) lot() float64 {
	if a.random == nil {
		return 1
	}
	return a.random.ExpFloat64()
}
