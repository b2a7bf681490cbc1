package quota

import "time"

// Bucket is what one caller has asked for, to be held against a [Rate]: GCRA, the generic
// cell rate algorithm of ATM (ITU-T I.371), which needs nothing but one time. It is a
// decision only: the time comes in. In any time t it lets through Burst + t·Count/Per at
// most. The zero value is a caller that has asked for nothing. Not safe for concurrent use.
type Bucket struct {
	quiet time.Time // when all that was let through will have been paid for
}

// Resume returns the Bucket whose [Bucket.Quiet] is quiet: one that was kept elsewhere.
func Resume(quiet time.Time) Bucket { return Bucket{quiet} }

// Quiet returns when all that was let through will have been paid for; the zero time when
// nothing was. It is all that need be kept of a Bucket.
func (b *Bucket) Quiet() time.Time { return b.quiet }

// Allow takes n calls off what r allows, all or none. When it does not, wait is how long
// until it would, if nothing else is asked for; 0 says never, as n is more than may
// come at once. A now before that of the last call is no harm.
func (b *Bucket) Allow(now time.Time, r Rate, n int) (ok bool, wait time.Duration) {
	if !r.Limited() || n <= 0 {
		return true, 0
	}
	every, most := r.interval(), r.AtOnce()
	if n > most {
		return false, 0
	}
	depth := every * time.Duration(most)
	from := b.quiet
	if latest := now.Add(depth); from.After(latest) { // the rate was another, or the clock
		from = latest
	}
	if from.Before(now) {
		from = now
	}
	next := from.Add(every * time.Duration(n))
	if wait = next.Sub(now) - depth; wait > 0 {
		return false, wait
	}
	b.quiet = next
	return true, 0
}

// Left returns how many calls may come at once now, and how long until as many as ever
// may.
func (b *Bucket) Left(now time.Time, r Rate) (calls int, full time.Duration) {
	if !r.Limited() {
		return 0, 0
	}
	full = min(max(0, b.quiet.Sub(now)), r.interval()*time.Duration(r.AtOnce()))
	return r.AtOnce() - int((full+r.interval()-1)/r.interval()), full
}

// Idle reports whether nothing that was asked for counts any more: a new Bucket would
// decide the same.
func (b *Bucket) Idle(now time.Time) bool { return !b.quiet.After(now) }
