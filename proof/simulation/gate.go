package simulation

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/proof/simulation/database"
)

// What leaves a process besides what it does with its databases.
const (
	publish database.Kind = "publish" // to the broker
	receive database.Kind = "receive" // deliveries are taken
	settle  database.Kind = "settle"  // the broker is told
	ask     database.Kind = "ask"     // a call leaves
	answer  database.Kind = "answer"  // its answer arrives
)

// verdict is what becomes of it.
type verdict string

const (
	passes      verdict = ""
	cut         verdict = "cut off"                 // its process is dead, or the history is over
	diesBefore  verdict = "its process dies before" // nothing happened
	diesAfter   verdict = "its process dies after"  // it happened, and nobody knows
	failsBefore verdict = "the connection breaks before"
	failsAfter  verdict = "the connection breaks after"
	stands      verdict = "its process stands still"
	late        verdict = "it is late"
)

// ticket is one thing that waits to leave its process.
type ticket struct {
	from    *Process
	kind    database.Kind
	what    string
	free    func() bool // what it needs is; nil: nothing
	ready   time.Time
	verdict chan verdict
}

// entry of the trail.
type entry struct {
	at   time.Time
	who  string
	kind database.Kind
	what string
	came verdict
}

// gate lets one thing at a time leave the processes.
type gate struct {
	rng     *rand.Rand // of who was let through, and of the scheduler while nobody is under way
	arrived chan struct{}

	mu      sync.Mutex
	waiting []*ticket
	agenda  []appointment
	trail   []entry
	over    bool
}

// appointment is something that happens at a time of its own.
type appointment struct {
	at   time.Time
	what string
	do   func()
}

func newGate(seed uint64) *gate {
	return &gate{rng: rand.New(&source{pcg: rand.NewPCG(seed, 7)}), arrived: make(chan struct{}, 1)}
}

// source is safe for concurrent use: who waited for the broker goes on beside others.
type source struct {
	mu  sync.Mutex
	pcg *rand.PCG
}

func (s *source) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pcg.Uint64()
}

// Pass has act done when it is its turn, unless a fault comes instead. Where the kind can be withdrawn
// the end of ctx does so.
func (p *Process) Pass(ctx context.Context, k database.Kind, what string, free func() bool, act func() error) error {
	g := p.world.gate
	t := &ticket{from: p, kind: k, what: what, free: free, verdict: make(chan verdict, 1)}
	if !g.queue(t) {
		return database.ErrGone
	}
	var v verdict
	if k == database.Inside || k == database.Begin { // database/sql rolls back when ctx ends, and waits for this
		select {
		case v = <-t.verdict:
		case <-ctx.Done():
			if g.withdraw(t) {
				return context.Cause(ctx)
			}
			v = <-t.verdict
		}
	} else {
		v = <-t.verdict
	}
	switch v {
	case cut, diesBefore:
		return database.ErrGone
	case failsBefore:
		return database.ErrLost
	default:
	}
	err := act()
	switch v {
	case diesAfter:
		p.world.kill(p)
		return database.ErrGone
	case failsAfter:
		return database.ErrLost
	default:
		return err
	}
}

func (g *gate) queue(t *ticket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || t.from.dead {
		return false
	}
	g.waiting = append(g.waiting, t)
	g.ring()
	return true
}

func (g *gate) ring() {
	select {
	case g.arrived <- struct{}{}:
	default:
	}
}

func (g *gate) withdraw(t *ticket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, t)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// cutOff answers all tickets that fit.
func (g *gate) cutOff(fits func(*ticket) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(t *ticket) bool {
		if fits(t) {
			t.verdict <- cut // it has room
			return true
		}
		return false
	})
}

// after has something done in a while. It is for the scheduler and who was let through.
func (g *gate) after(d time.Duration, what string, do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.agenda = append(g.agenda, appointment{time.Now().Add(d), what, do})
	g.ring()
}

// run is the scheduler: until done says so, when all wait for the next thing to happen.
func (g *gate) run(done func() bool, judge func(*ticket) verdict) {
	for {
		synctest.Wait()
		if due := g.due(); due != nil {
			due()
			continue
		}
		if done() {
			return
		}
		t, wait := g.next()
		if t == nil {
			timer := time.NewTimer(wait)
			select {
			case <-g.arrived:
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		v := judge(t)
		g.note(t, v)
		switch v {
		case late, stands:
			continue // it is still there
		case diesBefore:
			t.from.world.kill(t.from) // which answers it
			continue
		default:
		}
		if g.withdraw(t) {
			t.verdict <- v
		}
	}
}

// due takes what the agenda has for now.
func (g *gate) due() func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, first := time.Now(), -1
	for i, a := range g.agenda {
		if !a.at.After(now) && (first < 0 || a.at.Before(g.agenda[first].at)) {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	a := g.agenda[first]
	g.agenda = slices.Delete(g.agenda, first, first+1)
	if a.what != "" {
		g.trail = append(g.trail, entry{at: now, who: "the world", what: a.what})
	}
	return a.do
}

// next chooses who is let through, or says for how long nobody can be.
func (g *gate) next() (*ticket, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	wait := time.Hour
	for _, a := range g.agenda {
		wait = min(wait, a.at.Sub(now))
	}
	can := make([]*ticket, 0, len(g.waiting))
	for _, t := range g.waiting {
		ready := t.ready
		if t.kind != database.Inside && t.kind != database.Commit && t.from.stands.After(ready) {
			ready = t.from.stands
		}
		switch {
		case ready.After(now):
			wait = min(wait, ready.Sub(now))
		case t.free == nil || t.free():
			can = append(can, t)
		}
	}
	if len(can) == 0 {
		return nil, wait
	}
	slices.SortStableFunc(can, func(a, b *ticket) int { // who came first within one moment is chance
		return cmp.Or(cmp.Compare(a.from.name, b.from.name), cmp.Compare(a.kind, b.kind), cmp.Compare(a.what, b.what))
	})
	return can[g.rng.IntN(len(can))], 0
}

func (g *gate) note(t *ticket, v verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trail = append(g.trail, entry{time.Now(), t.from.name, t.kind, t.what, v})
}

// end lets nobody through any more.
func (g *gate) end() {
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
	g.cutOff(func(*ticket) bool { return true })
}
