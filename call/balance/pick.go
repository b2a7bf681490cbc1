package balance

import (
	"math"
	"slices"
	"time"
)

// Call is what a pick needs to know of the call.
type Call struct {
	Turn  uint64      // counts up from pick to pick: equals take turns by it
	Hash  uint64      // for Hash and Maglev: of what calls are to be kept together by, see Key; 0 = of nothing
	Kept  bool        // by Hash, whatever the policy, and however many calls the endpoint has
	Tried []*Endpoint // where this very call has failed: taken again only when no other is left
}

// Key returns the hash of a text that calls are kept together by; never 0.
func Key(text string) uint64 { return max(1, hash64(text)) }

// scanned is how many endpoints one pick compares: as many as a caller usually keeps of a
// set. Simulated with 100 replicas, 10 of them slow, and as many callers at 80 % load, all
// of a subset of 64 gave 59 ms at the 99th percentile, windows of 32, 16 and 8 gave 67, 74
// and 94, and with the better of two calls failed.
const scanned = 64

// The ranks of an endpoint; the best that is left is taken.
const (
	suspect = 1 << iota
	ejected
	tried
	well = 0
)

func (e *Endpoint) rank(now int64, c *Call) int {
	r := well
	if e.ejected.Load() > now {
		r |= ejected
	}
	if e.suspect.Load() > now {
		r |= suspect
	}
	if len(c.Tried) > 0 && slices.Contains(c.Tried, e) {
		r |= tried
	}
	return r
}

// Pick returns the index of the endpoint that the next call goes to, in the list the
// group was made from; -1 when the list is empty. It does not count the call: Begin does.
func (g *Group) Pick(now time.Time, c Call) int {
	at := now.UnixNano()
	g.set.tend(at)
	if len(g.list) == 0 {
		return -1
	}
	if len(g.local) > 0 && !c.Kept {
		if i, rank := g.from(g.local, at, &c); rank == well && g.stays(g.local[i].Endpoint, at, &c) {
			return g.local[i].index
		}
	}
	i, _ := g.from(g.list, at, &c)
	return g.list[i].index
}

func (g *Group) from(list []choice, now int64, c *Call) (index, rank int) {
	if c.Kept {
		return rendezvous(list, now, c)
	}
	switch g.set.cfg.Policy {
	case RoundRobin:
		return roundRobin(list, now, c)
	case Random:
		return random(list, now, c)
	case Hash:
		return rendezvous(list, now, c)
	case Maglev:
		return g.table.pick(list, now, c)
	default:
		return g.set.scan(list, now, c)
	}
}

const (
	idle     = 0.1  // calls in flight on the mean, below which there is nothing to balance
	alike    = 1.1  // weights whose largest is no more than this times the smallest count as equal
	unlike   = 2.0  // prices up to this times the usual count as equal for a caller that is idle,
	trifle   = 20e6 // and so do ns: the time that a connection or a collected heap takes
	dearest  = 64.0
	memories = 64 // picks over which busy is averaged
)

// scan takes the endpoint of the best rank whose price is least, or whose turn it is
// where the caller is idle, so that its few calls are shared, and where weights differ,
// as the least of price over weight would starve the light ones.
func (s *Set) scan(list []choice, now int64, c *Call) (index, rank int) {
	var (
		p        = s.prices(now)
		busy     = math.Float64frombits(s.busy.Load())
		best     = -1
		least    = math.Inf(1)
		lightest = math.Inf(1)
		heaviest = 0.0
		sum      = 0.0                             // of weights
		total    = 0.0                             // calls in flight
		first    = int(c.Turn % uint64(len(list))) //nolint:gosec // below the length
	)
	rank = math.MaxInt
	for k := range list {
		if k >= scanned && rank == well {
			break
		}
		i := first + k
		if i >= len(list) {
			i -= len(list)
		}
		e := list[i].Endpoint
		r := e.rank(now, c)
		if r > rank {
			continue
		}
		calls, weight := float64(e.inFlight.Load()), s.weight(e, now)
		price := p.of(e, calls)
		if r < rank {
			rank, best, least, lightest, heaviest, sum, total = r, i, math.Inf(1), weight, weight, 0, 0
		}
		sum, total = sum+weight, total+calls
		if price < least {
			best, least = i, price
		}
		lightest, heaviest = min(lightest, weight), max(heaviest, weight)
	}
	s.busy.Store(math.Float64bits(busy + (total-busy)/memories))
	quiet := busy < idle || p.policy == Weighted
	if !quiet && heaviest <= alike*lightest {
		return best, rank
	}
	return s.turns(list, p, c, turn{first, best, rank, heaviest, total / sum, quiet}), rank
}

// turn is what the scan found.
type turn struct {
	first, best int // where to begin, and whose price was least
	rank        int
	heaviest    float64 // weight
	load        float64 // calls in flight for each one of weight
	quiet       bool    // the caller is idle, or does not look at load
}

// turns takes the endpoint of a rank whose turn is due first (earliest deadline first,
// as Envoy does for weighted least requests). An endpoint's turn is due one over its
// weight after its last one, by the fourth power of its price if that counts, which
// comes near to always taking the least.
func (s *Set) turns(list []choice, p prices, c *Call, t turn) int {
	clock, due, best := math.Float64frombits(s.clock.Load()), math.Inf(1), t.best
	for k := range list {
		i := t.first + k
		if i >= len(list) {
			i -= len(list)
		}
		e := list[i].Endpoint
		if e.rank(p.now, c) != t.rank {
			continue
		}
		weight, step := s.weight(e, p.now), 1.0
		// Load counts as if all were as heavy as the heaviest, and no less than on the
		// mean: a light one is idle most of the time without being cheap.
		load := max(float64(e.inFlight.Load())/weight, t.load) * t.heaviest
		if price := p.of(e, load); !t.quiet || price > unlike && (price-1)*p.usual > trifle {
			price = min(price, dearest)
			step = price * price * price * price
		}
		// whoever was away has saved up no more than one turn
		at := max(clock, math.Float64frombits(e.turn.Load())+step/weight)
		if at < due {
			best, due = i, at
		}
	}
	if math.IsInf(due, 1) { // all changed their rank since the scan: no clock may show that
		return best
	}
	list[best].turn.Store(math.Float64bits(due))
	s.clock.Store(math.Float64bits(due))
	return best
}

// prices says what a call to an endpoint costs; a usual and idle one costs 1.
type prices struct {
	policy Policy
	now    int64
	usual  float64 // ns
	share  float64 // one over usual
}

func (s *Set) prices(now int64) prices {
	usual := max(1, math.Float64frombits(s.mean.Load()))
	return prices{s.cfg.Policy, now, usual, 1 / usual}
}

func (p prices) of(e *Endpoint, calls float64) float64 {
	switch p.policy {
	case Weighted:
		return 1
	case LeastLoaded:
		return calls + 1
	default:
		return (calls + 1) * e.estimate(p.now, p.usual) * p.share
	}
}

// weight is an endpoint's weight now: it grows from a tenth while it is new.
func (s *Set) weight(e *Endpoint, now int64) float64 {
	w := float64(e.weight.Load())
	if age := now - e.born.Load(); age < int64(s.cfg.SlowStart) {
		w *= max(0.1, float64(age)/float64(s.cfg.SlowStart))
	}
	return w
}

// best returns the best rank in list and how many are of it.
func best(list []choice, now int64, c *Call) (rank, n int) {
	rank = math.MaxInt
	for _, e := range list {
		switch r := e.rank(now, c); {
		case r < rank:
			rank, n = r, 1
		case r == rank:
			n++
		}
	}
	return rank, n
}

func roundRobin(list []choice, now int64, c *Call) (index, rank int) {
	rank, n := best(list, now, c)
	k := int(c.Turn % uint64(n)) //nolint:gosec // n is at least 1
	for i, e := range list {
		if e.rank(now, c) == rank {
			if k == 0 {
				return i, rank
			}
			k--
		}
	}
	return 0, rank // one got worse meanwhile
}

func random(list []choice, now int64, c *Call) (index, rank int) {
	rank, _ = best(list, now, c)
	total := 0.0
	for _, e := range list {
		if e.rank(now, c) == rank {
			total += float64(e.weight.Load())
		}
	}
	point := total * float64(mix(c.Turn+0x9e3779b97f4a7c15)>>11) / (1 << 53)
	last := 0
	for i, e := range list {
		if e.rank(now, c) == rank {
			if last, point = i, point-float64(e.weight.Load()); point < 0 {
				return i, rank
			}
		}
	}
	return last, rank
}
