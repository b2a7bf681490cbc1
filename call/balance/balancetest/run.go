package balancetest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/call/balance"
)

// epoch is when every run begins.
const epoch = 1_700_000_000_000_000_000

// Report is the load that a server tells with an answer.
type Report struct {
	Running     int     // calls on it now
	MeanLatency float64 // ns, over the last hundred
	MeanRunning float64
}

// Chooser is one client: it chooses a replica for each call and learns how it went.
type Chooser interface {
	Choose(now time.Time) int
	// Ended is told once for each call that was chosen for: the report is zero unless
	// an answer came.
	Ended(now time.Time, replica int, took time.Duration, outcome balance.Outcome, report Report)
}

// Prober is a Chooser that asks replicas for reports apart from calls.
type Prober interface {
	// Probe returns the replica to ask now, -1 for none; it is asked before each choice.
	Probe(now time.Time) int
	Probed(now time.Time, replica int, report Report)
}

// Policy makes the clients of a run.
type Policy struct {
	Name string
	New  func(w *World, client int) Chooser
}

// World is what a run's policies may look at: Setting by all, the truth by oracles only.
type World struct {
	Setting Setting
	Rand    *rand.Rand // the policy's own
	servers []server
	sent    []int // calls on the way to each replica or on it
	now     int64
}

// Load returns how many calls are on their way to a replica or on it: the truth.
func (w *World) Load(replica int) int { return w.sent[replica] }

// Speed returns how fast a replica's workers are, 1 when all is well: the truth.
func (w *World) Speed(replica int) float64 { return w.servers[replica].speed }

// The kinds of events.
const (
	arrive = iota // a call begins at a client
	reach         // it reaches its replica
	finish        // a replica has done the next one
	answer        // its answer reaches the client
	expire        // its client gives up
	turn          // slowness moves on
	probe         // a probe reaches its replica
	probed        // its answer reaches the client
)

type event struct {
	at      int64
	kind    int
	call    int
	version int
	report  Report
}

func (e event) before(o event) bool { return e.at < o.at } //nolint:unused // heap asks for it

type simulatedCall struct {
	client, replica int
	begun           int64
	ended           bool // for its client
	away            bool
}

type run struct {
	World
	arrivals, sizes *rand.Rand
	events          heap[event]
	calls           []simulatedCall
	free            []int
	clients         []Chooser
	seen            histogram
	failed, probes  int
	away, total     int
	per             []int
}

// Run simulates s with every client made by p.
func Run(s Setting, p Policy) Result {
	s = s.defaults()
	r := &run{
		World:    World{Setting: s, Rand: rand.New(rand.NewPCG(s.Seed, 3)), servers: make([]server, s.Replicas), sent: make([]int, s.Replicas)},
		arrivals: rand.New(rand.NewPCG(s.Seed, 1)), sizes: rand.New(rand.NewPCG(s.Seed, 2)),
		per: make([]int, s.Replicas),
	}
	for i := range r.servers {
		r.servers[i] = server{workers: float64(s.Workers), discipline: s.Discipline, speed: s.speed(i, 0)}
	}
	for i := range s.Clients {
		r.clients = append(r.clients, p.New(&r.World, i))
	}
	r.events.push(event{kind: arrive})
	if s.Moving > 0 {
		r.events.push(event{at: int64(s.Moving), kind: turn})
	}
	end := int64(s.Warm + s.For)
	for {
		e := r.events.pop()
		if e.at > end {
			break
		}
		r.now = e.at
		r.step(e)
	}
	n := max(1, r.seen.n)
	return Result{
		Policy: p.Name, Calls: r.seen.n, Mean: time.Duration(r.seen.sum / float64(n)),
		P50: r.seen.quantile(0.5), P99: r.seen.quantile(0.99), P999: r.seen.quantile(0.999),
		Failed: float64(r.failed) / float64(n), Extra: float64(r.probes) / float64(max(1, r.total)),
		PerReplica: r.per, Away: float64(r.away) / float64(max(1, r.total)),
	}
}

func (r *run) time() time.Time { return time.Unix(0, epoch+r.now) }

func (r *run) step(e event) {
	switch e.kind {
	case arrive:
		gap := r.arrivals.ExpFloat64() / r.Setting.rate() * 1e9
		r.events.push(event{at: r.now + int64(gap), kind: arrive})
		r.begin(r.arrivals.IntN(len(r.clients)))
	case reach:
		i := r.calls[e.call].replica
		r.servers[i].accept(r.now, job{call: e.call, work: r.Setting.work(r.sizes)})
		r.schedule(i)
	case finish:
		i := e.call // the replica's number
		if s := &r.servers[i]; e.version == s.version {
			j := s.finish(r.now)
			c := &r.calls[j.call]
			r.events.push(event{at: r.now + r.Setting.delay(c.client, i), kind: answer, call: j.call, report: s.report()})
			r.sent[i]--
			r.schedule(i)
		}
	case answer:
		r.end(e.call, balance.OK, e.report)
		r.free = append(r.free, e.call)
	case expire:
		if c := r.calls[e.call]; !c.ended && int(c.begun) == e.version {
			r.end(e.call, balance.Abandoned, Report{})
		}
	case turn:
		r.events.push(event{at: r.now + int64(r.Setting.Moving), kind: turn})
		for i := range r.servers {
			r.servers[i].advance(r.now)
			r.servers[i].speed = r.Setting.speed(i, r.now)
			r.schedule(i)
		}
	case probe:
		e.kind, e.report = probed, r.servers[e.version].report()
		e.at += r.Setting.delay(e.call, e.version)
		r.events.push(e)
	default: // probed
		if p, ok := r.clients[e.call].(Prober); ok {
			p.Probed(r.time(), e.version, e.report)
		}
	}
}

func (s *server) report() Report {
	return Report{Running: s.inFlight(), MeanLatency: s.meanLatency, MeanRunning: s.meanRunning}
}

func (r *run) schedule(i int) {
	s := &r.servers[i]
	s.version++
	if at := s.next(); at != math.MaxInt64 {
		r.events.push(event{at: at, kind: finish, call: i, version: s.version})
	}
}

func (r *run) begin(client int) {
	chooser := r.clients[client]
	if p, ok := chooser.(Prober); ok {
		if i := p.Probe(r.time()); i >= 0 {
			r.probes++
			r.events.push(event{at: r.now + r.Setting.delay(client, i), kind: probe, call: client, version: i})
		}
	}
	i := chooser.Choose(r.time())
	c := simulatedCall{client: client, replica: i, begun: r.now, away: i%r.Setting.Zones != r.Setting.clientZone(client)}
	id := len(r.calls)
	if n := len(r.free); n > 0 {
		id = r.free[n-1]
		r.free = r.free[:n-1]
		r.calls[id] = c
	} else {
		r.calls = append(r.calls, c)
	}
	r.sent[i]++
	r.events.push(event{at: r.now + r.Setting.delay(client, i), kind: reach, call: id})
	r.events.push(event{at: r.now + int64(r.Setting.Deadline), kind: expire, call: id, version: int(r.now)})
}

// end tells the client and counts the call, once.
func (r *run) end(id int, outcome balance.Outcome, report Report) {
	c := &r.calls[id]
	if c.ended {
		return
	}
	c.ended = true
	took := r.now - c.begun
	r.clients[c.client].Ended(r.time(), c.replica, time.Duration(took), outcome, report)
	if c.begun < int64(r.Setting.Warm) {
		return
	}
	r.total++
	r.per[c.replica]++
	if c.away {
		r.away++
	}
	r.seen.add(float64(took))
	if outcome != balance.OK {
		r.failed++
	}
}
