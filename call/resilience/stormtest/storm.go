// Package stormtest replays a retry storm in simulated time: a chain of servers under
// steady load, of which one becomes slow for a while. It shows which policies recover
// and which make an outage of a brown-out. It is deterministic in its seed, drives the
// policies of package resilience themselves, and needs milliseconds for a minute.
package stormtest

import (
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

// Storm is one experiment. Fields that are zero take the value in brackets.
type Storm struct {
	Seed    uint64
	Hops    int           // servers in the chain; each works, then calls the next [1]
	Workers int           // of each server [40]
	Service time.Duration // of work at each server, per call [10 ms]
	Random  bool          // work is exponentially distributed, not constant
	Clients int           // each with a budget of its own; servers call each other as one client [20]
	Offered float64       // as a share of what a server can do at full speed [0.7]
	Timeout time.Duration // how long a caller waits [500 ms]
	Mix     Mix           // of priorities; zero: all Normal

	Warm    time.Duration // before the trigger [20 s]
	Trigger time.Duration // how long the last server is slow [10 s]
	Speed   float64       // of the last server in the trigger, of 1 [0.25]
	Surge   float64       // load in the trigger, as a multiple of the load else [1]
	After   time.Duration // after the trigger [30 s]

	Policy Policy
}

// Mix is the share of each priority in the traffic.
type Mix [resilience.Priorities]float64

// Policy is what callers and servers do. The zero value does nothing: no retries, and
// unbounded queues.
type Policy struct {
	Gate     bool          // servers have a [admission.Gate]
	Deadline bool          // the caller's deadline travels; servers drop what is too late
	Retries  int           // attempts after the first
	Backoff  time.Duration // before a second attempt, doubling, with full jitter
	Blind    bool          // repeats whatever failed, shed answers and timeouts too, as libraries do by default
	Budget   bool          // retries go through a [resilience.Budget]
}

// Defaults is what callers and servers do in Muster when nothing is configured.
func Defaults() Policy {
	return Policy{Gate: true, Deadline: true, Retries: 2, Backoff: 20 * time.Millisecond, Budget: true}
}

// Textbook is three retries with exponential backoff and full jitter.
func Textbook() Policy {
	return Policy{Retries: 3, Backoff: 100 * time.Millisecond, Blind: true}
}

// Result is what came of a [Storm]. Shares are of the calls clients made in that time.
type Result struct {
	Before    float64                        // share answered in time before the trigger
	Trigger   float64                        // answered in the trigger, as a share of what the slow server could physically do
	Later     float64                        // share answered from 2 s after the trigger on
	Recovered time.Duration                  // after the trigger, from when on 99 % of each second are answered; negative: not before the end
	Priority  [resilience.Priorities]float64 // share answered in the trigger, by priority
	Attempts  []float64                      // attempts per call to each hop, for calls made in the trigger
	Expired   int                            // times work began after its caller's deadline
	Limits    []int                          // of each server when the trigger ended
	Gates     []admission.GateStats          // of each server, at the end
	Series    []Second                       // by the second
}

// Second is what became of the calls that clients made within one second.
type Second struct{ Calls, OK int }

// conclude makes the result of what was counted.
func (s *sim) conclude() Result {
	r := s.result
	share := func(from, to time.Duration) float64 {
		var sum Second
		for _, second := range r.Series[from/time.Second : to/time.Second] {
			sum.Calls += second.Calls
			sum.OK += second.OK
		}
		return float64(sum.OK) / float64(max(1, sum.Calls))
	}
	end := s.Warm + s.Trigger
	r.Before = share(s.Warm/2, s.Warm)
	r.Later = share(end+2*time.Second, end+s.After)
	asked, got := 0, 0
	for p := range s.asked {
		asked += s.asked[p]
		got += s.got[p]
		r.Priority[p] = float64(s.got[p]) / float64(max(1, s.asked[p]))
	}
	possible := s.Speed * float64(s.Workers) / s.Service.Seconds() * s.Trigger.Seconds()
	r.Trigger = float64(got) / min(possible, float64(asked))
	r.Recovered = -1
	for at := end; at < end+s.After; at += time.Second {
		switch ok := share(at, at+time.Second) >= 0.99; {
		case !ok:
			r.Recovered = -1
		case r.Recovered < 0:
			r.Recovered = at - end
		}
	}
	for hop, n := range s.calls {
		r.Attempts = append(r.Attempts, float64(n.attempts)/float64(max(1, n.calls)))
		r.Gates = append(r.Gates, s.servers[hop].gate.Stats())
	}
	return r
}

func (s Storm) filled() Storm {
	set(&s.Hops, 1)
	set(&s.Workers, 40)
	set(&s.Service, 10*time.Millisecond)
	set(&s.Clients, 20)
	set(&s.Offered, 0.7)
	set(&s.Timeout, 500*time.Millisecond)
	set(&s.Warm, 20*time.Second)
	set(&s.Trigger, 10*time.Second)
	set(&s.Speed, 0.25)
	set(&s.Surge, 1)
	set(&s.After, 30*time.Second)
	if s.Mix == (Mix{}) {
		s.Mix[resilience.Normal] = 1
	}
	return s
}

func set[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}
