package stormtest

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

// sim is one run: a clock, what is to happen, and who takes part.
type sim struct {
	Storm
	rng     *rand.Rand
	now     time.Duration
	agenda  agenda
	seq     uint64
	servers []*server
	edges   [][]*resilience.Budget // by hop, then by client
	result  Result
	calls   []hopCount // in the trigger
	asked   [resilience.Priorities]int
	got     [resilience.Priorities]int
}

type hopCount struct{ calls, attempts int }

// epoch is when simulated time begins; policies want a time that is not zero.
func epoch() time.Time { return time.Unix(1e9, 0) }

func (s *sim) time() time.Time { return epoch().Add(s.now) }

func (s *sim) inTrigger(at time.Duration) bool { return at >= s.Warm && at < s.Warm+s.Trigger }

// Run replays the storm to its end.
func Run(storm Storm) Result {
	storm = storm.filled()
	s := &sim{Storm: storm, rng: rand.New(rand.NewPCG(storm.Seed, 0x5707)), calls: make([]hopCount, storm.Hops)}
	for hop := range storm.Hops {
		s.servers = append(s.servers, &server{sim: s, hop: hop})
		clients := 1
		if hop == 0 {
			clients = storm.Clients
		}
		budgets := make([]*resilience.Budget, clients)
		if storm.Policy.Budget {
			for i := range budgets {
				budgets[i] = resilience.NewBudget(resilience.BudgetSettings{})
			}
		}
		s.edges = append(s.edges, budgets)
	}
	end := storm.Warm + storm.Trigger + storm.After
	s.result.Series = make([]Second, int(end/time.Second)+1)
	s.arrive()
	s.at(storm.Warm+storm.Trigger, func() {
		for _, v := range s.servers {
			s.result.Limits = append(s.result.Limits, v.gate.Limit.Value())
		}
	})
	for s.agenda.Len() > 0 {
		next, ok := heap.Pop(&s.agenda).(event)
		if !ok || next.at > end+5*time.Second { // calls under way at the end are seen out
			break
		}
		s.now = next.at
		next.do()
	}
	return s.conclude()
}

// arrive has the next call of a client come, and the one after it.
func (s *sim) arrive() {
	rate := s.Offered * float64(s.Workers) / s.Service.Seconds()
	if s.inTrigger(s.now) {
		rate *= s.Surge
	}
	s.after(time.Duration(s.rng.ExpFloat64()/rate*float64(time.Second)), func() {
		if s.now >= s.Warm+s.Trigger+s.After {
			return
		}
		s.arrive()
		born, p := s.now, s.priority()
		second := &s.result.Series[int(born/time.Second)]
		second.Calls++
		if s.inTrigger(born) {
			s.asked[p]++
		}
		s.invoke(0, s.rng.IntN(s.Clients), p, s.now+s.Timeout, func(ok bool) {
			if !ok {
				return
			}
			second.OK++
			if s.inTrigger(born) {
				s.got[p]++
			}
		})
	})
}

func (s *sim) priority() resilience.Priority {
	x := s.rng.Float64()
	for p, share := range s.Mix {
		if x -= share; x < 0 {
			return resilience.Priority(p)
		}
	}
	return resilience.Normal
}

// attempt is one request on the wire.
type attempt struct {
	priority resilience.Priority
	deadline time.Duration
	began    time.Duration // let in by the server,
	beside   int           // as this many calls were
	answer   func(ok, shed bool)
}

// invoke makes one call to the server at hop, with what the policy says of failures.
func (s *sim) invoke(hop, client int, p resilience.Priority, deadline time.Duration, done func(ok bool)) {
	trigger := s.inTrigger(s.now)
	budget := s.edges[hop][client%len(s.edges[hop])]
	budget.Earn(s.time())
	if trigger {
		s.calls[hop].calls++
	}
	var try func(n int)
	try = func(n int) {
		if trigger {
			s.calls[hop].attempts++
		}
		a := &attempt{priority: p, deadline: s.now + s.Timeout}
		if s.Policy.Deadline {
			a.deadline = deadline
		}
		open := true
		a.answer = func(ok, _ bool) {
			if !open {
				return
			}
			open = false
			// Whatever fails here was answered by the peer, or ran out of time: a default
			// policy repeats neither.
			again := !ok && s.Policy.Blind && n <= s.Policy.Retries && (!s.Policy.Deadline || s.now < deadline)
			if !again || s.Policy.Budget && !budget.Spend(s.time()) {
				done(ok)
				return
			}
			s.after(time.Duration(s.rng.Float64()*float64(s.Policy.Backoff<<(n-1))), func() { try(n + 1) })
		}
		s.at(a.deadline, func() { a.answer(false, false) })
		s.servers[hop].arrive(a)
	}
	try(1)
}

// server is one hop: a gate, then workers with a queue of their own that nobody bounds,
// as a handler has before its connections or its processors.
type server struct {
	sim   *sim
	hop   int
	gate  admission.Gate[*attempt]
	busy  int
	queue []*attempt
}

func (v *server) arrive(a *attempt) {
	s := v.sim
	if !s.Policy.Gate {
		v.begin(a)
		return
	}
	var deadline time.Time
	if s.Policy.Deadline {
		deadline = epoch().Add(a.deadline)
	}
	d := v.gate.Arrive(s.time(), a, a.priority, deadline)
	if d.Evicted != nil {
		d.Evicted.Value.answer(false, true)
	}
	switch {
	case d.Begin:
		v.begin(a)
	case d.Waiting == nil:
		a.answer(false, true)
	default:
		s.at(d.Waiting.Until.Sub(epoch()), func() {
			if _, ok := v.gate.GiveUp(s.time(), d.Waiting, false); ok {
				a.answer(false, true)
			}
		})
	}
}

func (v *server) begin(a *attempt) {
	a.began, a.beside = v.sim.now, v.gate.Limit.InFlight()
	v.queue = append(v.queue, a)
	v.work()
}

func (v *server) work() {
	s := v.sim
	for v.busy < s.Workers && len(v.queue) > 0 {
		a := v.queue[0]
		v.queue = v.queue[1:]
		if s.now > a.deadline {
			if s.Policy.Deadline && !s.Policy.Gate {
				a.answer(false, false)
				continue
			}
			s.result.Expired++
		}
		took := s.Service
		if s.Random {
			took = time.Duration(s.rng.ExpFloat64() * float64(took))
		}
		if v.hop == s.Hops-1 && s.inTrigger(s.now) {
			took = time.Duration(float64(took) / s.Speed)
		}
		v.busy++
		s.after(took, func() {
			v.busy--
			v.onward(a)
			v.work()
		})
	}
}

// onward calls the next server, or answers.
func (v *server) onward(a *attempt) {
	if v.hop == v.sim.Hops-1 {
		v.finish(a, true)
		return
	}
	v.sim.invoke(v.hop+1, 0, a.priority, a.deadline, func(ok bool) { v.finish(a, ok) })
}

func (v *server) finish(a *attempt, ok bool) {
	s := v.sim
	a.answer(ok, false)
	if !s.Policy.Gate {
		return
	}
	w := admission.Work{Took: s.now - a.began, Beside: a.beside, Other: !ok, Expired: s.now > a.deadline}
	if s.Policy.Deadline {
		w.Left = a.deadline - a.began
	}
	v.gate.End(s.time(), w, v.begin)
}

// agenda is what is to happen, in order.
type agenda []event

type event struct {
	at  time.Duration
	seq uint64 // of two at the same time, the one that was put down first
	do  func()
}

func (s *sim) at(at time.Duration, do func()) {
	s.seq++
	heap.Push(&s.agenda, event{max(at, s.now), s.seq, do})
}

func (s *sim) after(d time.Duration, do func()) { s.at(s.now+d, do) }

// Len and those below are heap.Interface's.
func (a *agenda) Len() int { return len(*a) }

func (a *agenda) Less(i, j int) bool {
	x, y := (*a)[i], (*a)[j]
	return x.at < y.at || x.at == y.at && x.seq < y.seq
}

func (a *agenda) Swap(i, j int) { (*a)[i], (*a)[j] = (*a)[j], (*a)[i] }

func (a *agenda) Push(x any) {
	if e, ok := x.(event); ok {
		*a = append(*a, e)
	}
}

func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*a = old[:len(old)-1]
	return last
}
