package seen

import (
	"sync/atomic"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
)

// The number of kinds that are counted.
const (
	outcomes = int(balance.Abandoned) + 1
	verdicts = int(resilience.OverBudget) + 1
)

// Counts are what became of the calls of one target. They only grow. The zero value is
// ready; safe for concurrent use.
type Counts struct {
	calls    atomic.Uint64
	failed   atomic.Uint64
	attempts [outcomes]atomic.Uint64
	final    atomic.Uint64 // attempts that no instance could have answered
	verdicts [verdicts]atomic.Uint64
}

// Call counts one call that ended with err, be it one that made no attempt.
func (c *Counts) Call(err error) {
	c.calls.Add(1)
	if err != nil {
		c.failed.Add(1)
	}
}

// Attempt counts one that was made.
func (c *Counts) Attempt(o balance.Outcome, f resilience.Failure) {
	if f.Final {
		c.final.Add(1)
		return
	}
	c.attempts[min(int(o), outcomes-1)].Add(1)
}

// Judged counts what was decided after a failed attempt.
func (c *Counts) Judged(v resilience.Verdict) resilience.Verdict {
	c.verdicts[min(int(v), verdicts-1)].Add(1)
	return v
}

// Attempts are attempts by what they told of the instance they went to, since the
// start.
type Attempts struct {
	OK          uint64 `json:"ok"`          // it answered, be it with a refusal of the request itself
	Failed      uint64 `json:"failed"`      // the instance was at fault
	Shed        uint64 `json:"shed"`        // it had too much to do and said so
	Unreachable uint64 `json:"unreachable"` // no connection came about; such an attempt is no load to anybody
	Abandoned   uint64 `json:"abandoned"`   // the caller's time was up, or another attempt was sooner
	Unmade      uint64 `json:"unmade"`      // the request or its token was at fault: nothing was sent
}

// All returns how many attempts there were.
func (a Attempts) All() uint64 {
	return a.OK + a.Failed + a.Shed + a.Unreachable + a.Abandoned + a.Unmade
}

// Retries are what was decided after failed attempts, since the start; see
// [resilience.Verdict]. Attempts that reached nobody are repeated without being judged.
type Retries struct {
	Repeat     uint64 `json:"repeat"`
	Pointless  uint64 `json:"pointless"`
	TooLate    uint64 `json:"too_late"`
	Unsafe     uint64 `json:"unsafe"`
	Enough     uint64 `json:"enough"`
	OverBudget uint64 `json:"over_budget"`
}

// Attempts returns the attempts so far.
func (c *Counts) Attempts() Attempts {
	of := func(o balance.Outcome) uint64 { return c.attempts[o].Load() }
	return Attempts{
		OK: of(balance.OK), Failed: of(balance.Failed), Shed: of(balance.Shed),
		Unreachable: of(balance.Unreachable), Abandoned: of(balance.Abandoned), Unmade: c.final.Load(),
	}
}

// Retries returns the verdicts so far.
func (c *Counts) Retries() Retries {
	of := func(v resilience.Verdict) uint64 { return c.verdicts[v].Load() }
	return Retries{
		Repeat: of(resilience.Repeat), Pointless: of(resilience.Pointless), TooLate: of(resilience.TooLate),
		Unsafe: of(resilience.Unsafe), Enough: of(resilience.Enough), OverBudget: of(resilience.OverBudget),
	}
}

// Calls returns the calls so far, and how many of them brought no answer.
func (c *Counts) Calls() (all, failed uint64) { return c.calls.Load(), c.failed.Load() }
