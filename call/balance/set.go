package balance

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Set is the endpoints of one service as one caller sees them. It is safe for
// concurrent use.
type Set struct {
	cfg   Config
	due   atomic.Int64  // unix ns of the next look at all members
	mean  atomic.Uint64 // usual latency in ns, float64 bits, 0 = unknown
	clock atomic.Uint64 // virtual time of the last turn, float64 bits
	busy  atomic.Uint64 // mean of the calls in flight when one more is made, float64 bits

	all  atomic.Pointer[Group]
	outs atomic.Uint64 // ejections so far

	doubt atomic.Bool // a member may be suspect or ejected

	mu      sync.Mutex
	members []*Endpoint
}

// New returns an empty set. Values of cfg out of range count as the nearest within;
// see Config.Check.
func New(cfg Config) *Set {
	s := &Set{cfg: cfg.defaults()}
	s.all.Store(s.Group(nil))
	return s
}

// Replace sets the members; what is known of those that stay is kept, those that are
// new start with the usual latency of the set.
func (s *Set) Replace(now time.Time, members []*Endpoint) {
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range members {
		if e.set.Swap(s) != s {
			e.born.Store(at)
			e.turn.Store(s.clock.Load())
			if e.suspect.Load() > at || e.ejected.Load() > at {
				s.doubts()
			}
		}
	}
	for _, e := range s.members {
		if !slices.Contains(members, e) {
			e.set.CompareAndSwap(s, nil)
		}
	}
	s.members = slices.Clone(members)
	s.release(at)
	s.all.Store(s.Group(s.members))
	s.due.Store(at)
}

// All returns the group of all members.
func (s *Set) All() *Group { return s.all.Load() }

// Doubt reports whether a member may be suspect or ejected: one became so since
// Settle was called.
func (s *Set) Doubt() bool { return s.doubt.Load() }

// Settle forgets of doubts. Whoever calls it looks at the members afterwards, as one may
// have become doubtful meanwhile.
func (s *Set) Settle() { s.doubt.Store(false) }

// doubts notes that a member has become doubtful; s may be nil.
func (s *Set) doubts() {
	if s != nil {
		s.doubt.Store(true)
	}
}

// Ejections returns how many times a member was ejected so far.
func (s *Set) Ejections() uint64 { return s.outs.Load() }

// Usual returns the latency that an unknown member is taken to have; 0 when nothing is
// known yet.
func (s *Set) Usual() time.Duration { return time.Duration(math.Float64frombits(s.mean.Load())) }

// usual is the latency usual in the set; took when there was none before.
func (s *Set) usual(took float64) float64 {
	if v := s.mean.Load(); v != 0 {
		return math.Float64frombits(v)
	}
	s.mean.CompareAndSwap(0, math.Float64bits(max(1, took)))
	return math.Float64frombits(s.mean.Load())
}

// period is how often the members are looked at together.
const period = int64(100 * time.Millisecond)

// tend looks at all members when it is time to. One picker does it, the others go on.
func (s *Set) tend(now int64) {
	if now < s.due.Load() || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.due.Store(now + period)
	s.judge(now)
	s.average(now)
}

// average sets the usual latency to the mean of those that are known and well.
func (s *Set) average(now int64) {
	usual := math.Float64frombits(s.mean.Load())
	n, sum := 0, 0.0
	for _, e := range s.members {
		if e.latency.stamp.Load() != 0 && e.ejected.Load() <= now {
			n++
			sum += e.latency.read(now, usual)
		}
	}
	if n > 0 {
		s.mean.Store(math.Float64bits(max(1, sum/float64(n))))
	}
}

// Group is the part of a set that certain calls may choose from, such as the instances
// of one version. It does not change and is safe for concurrent use; a new one is made
// when the set changes.
type Group struct {
	set   *Set
	list  []choice
	local []choice // those in the caller's zone; none when that is all
	away  []choice // the others
	table *maglev
}

// choice is one endpoint and its place in the list the group was made from.
type choice struct {
	*Endpoint
	index int
}

// Group returns the group of some of the members; indexes that it picks are of list.
func (s *Set) Group(list []*Endpoint) *Group {
	g := &Group{set: s, list: make([]choice, len(list))}
	for i, e := range list {
		g.list[i] = choice{e, i}
	}
	switch s.cfg.Policy {
	case Hash:
		return g
	case Maglev:
		g.table = newMaglev(g.list)
		return g
	default:
	}
	g.list = subset(g.list, s.cfg.Caller, s.cfg.Subset)
	for _, c := range g.list {
		c.mu.Lock()
		zone := c.zone
		c.mu.Unlock()
		if zone == s.cfg.Zone {
			g.local = append(g.local, c)
		} else {
			g.away = append(g.away, c)
		}
	}
	if s.cfg.Zone == "" || len(g.away) == 0 {
		g.local, g.away = nil, nil
	}
	return g
}

// subset returns the size choices that caller keeps in use, by rendezvous hashing
// (Thaler, Ravishankar, 1998): a change of the list changes one of them at most.
func subset(list []choice, caller string, size int) []choice {
	if size < 0 || len(list) <= size || caller == "" {
		return list
	}
	salt := hash64(caller)
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b choice) int {
		if x, y := mix(a.id^salt), mix(b.id^salt); x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return a.index - b.index
	})
	list = list[:size:size]
	slices.SortFunc(list, func(a, b choice) int { return a.index - b.index })
	return list
}
