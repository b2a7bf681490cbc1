package http1

// phase is what a connection does; with the time until which it may, in milliseconds of the
// engine's clock, it is one word. Whoever owns the connection swaps the word at each step.
// The sweep marks it as overdue, by a compare-and-swap and with the connection's lock held: so
// the owner, who finds the mark when it goes on, knows that the sweep acts, and waits for it.
type phase uint64

const (
	busy      phase = iota // it computes, or waits for nobody that is looked after here
	idle                   // no byte of the next request is there
	reading                // the client is to send
	writing                // the client is to take
	waiting                // somebody else is to answer; the client may go away
	lingering              // the client may still take its last answer
	over                   // closed, or another engine has it
)

const (
	phaseMask = 7
	overdue   = 8 // the sweep has ended the wait
	phaseBits = 4
)

// word puts a phase and its end together; 0 is no end.
func word(p phase, until int64) uint64 { return uint64(until)<<phaseBits | uint64(p) } //nolint:gosec // milliseconds since a start

func phaseOf(w uint64) phase { return phase(w & phaseMask) }

// passed reports whether a wait has lasted too long.
func passed(w uint64, now int64) bool {
	at := until(w)
	return at != 0 && at <= now
}

// until returns the end of a wait; 0: none.
func until(w uint64) int64 { return int64(w >> phaseBits) }
