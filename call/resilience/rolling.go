package resilience

import "time"

// parts is how finely a rolling window forgets: a tenth of it at a time.
const parts = 10

// tally is what was counted in one slice of a window, or in all of it.
type tally struct {
	calls uint32
	bad   uint32 // of a breaker: failed; of a budget: extra attempts
	slow  uint32
}

// rolling counts what happened within the last width, in steps of a tenth. Its time
// only goes forward: an older now counts as the newest seen, and a step of the wall
// clock does not matter, as times are compared by their monotonic reading.
type rolling struct {
	base   time.Time // the first now seen
	into   int64     // how far base stood in its slice, so that slices begin at round times
	head   int64     // number of the newest slice
	slices [parts]tally
	sum    tally
}

// at turns the window to now and returns the newest slice.
func (r *rolling) at(now time.Time, width time.Duration) *tally {
	step := int64(width / parts)
	if r.base.IsZero() {
		r.base, r.into = now, now.UnixNano()%step
	}
	n := (int64(now.Sub(r.base)) + r.into) / step
	for gone := 0; r.head < n && gone < parts; gone++ {
		r.head++
		p := &r.slices[r.head%parts]
		r.sum.calls -= p.calls
		r.sum.bad -= p.bad
		r.sum.slow -= p.slow
		*p = tally{}
	}
	r.head = max(r.head, n) // after a long silence all slices are empty: skip the rest
	return &r.slices[r.head%parts]
}

func (r *rolling) clear() { *r = rolling{} }
