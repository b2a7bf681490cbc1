package rhythm

import "time"

// How often an engine looks for work that nobody woke it for.
const (
	minPoll = 50 * time.Millisecond
	maxPoll = time.Second
)

// Pace says when to look again: often after there was something to do, then less and
// less; and in time for what is due.
type Pace struct {
	idle     time.Duration
	Failures int // to ask the database, in a row
}

// Woken says that there is something to do.
func (p *Pace) Woken() { p.idle = 0 }

// Next returns how long to wait, when due is what the table says; found: there was
// something to do; blind: the table said nothing.
func (p *Pace) Next(due time.Duration, found, blind bool) time.Duration {
	if found {
		p.idle = 0
	}
	p.idle = min(max(2*p.idle, minPoll), maxPoll)
	if blind || due >= p.idle {
		return p.idle
	}
	return max(due, minPoll/5)
}
