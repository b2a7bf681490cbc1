package saga

import "time"

// How often an engine looks for work that nobody woke it for.
const (
	minPoll = 50 * time.Millisecond
	maxPoll = time.Second
)

// pace says when to look again: often after there was something to do, then less and
// less; and in time for what is due.
type pace struct {
	idle     time.Duration
	failures int // to ask the database, in a row
}

func (p *pace) woken() { p.idle = 0 }

// next returns how long to wait, when due is what the table says; found: there was
// something to do; blind: the table said nothing.
func (p *pace) next(due time.Duration, found, blind bool) time.Duration {
	if found {
		p.idle = 0
	}
	p.idle = min(max(2*p.idle, minPoll), maxPoll)
	if blind || due >= p.idle {
		return p.idle
	}
	return max(due, minPoll/5)
}
