// Package machine breaks programs on this machine, and the machine under them: [Pause],
// [Throttle] and [Kill] act on a process, [Burn] takes processors away, [LosePackets]
// loses packets, [Clock] would step the clock. What is not permitted here is an error
// that [fault.NotRun] describes, and changes nothing.
package machine
