package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/proof/simulation/database"
)

// World is one history.
type World struct {
	*gate

	plan     plan
	orders   *database.Store // of those who carry out the sagas
	partners *database.Store // of those whom the sagas ask: stock, a bank and who writes mails
	broker   *memory.Broker
	alive    []*Process // by place; all are started anew when they died
	all      sync.WaitGroup
	clients  []*client
	quietly  bool // no fault comes any more
	faults   int
	deaths   int
	began    time.Time

	wrong   sync.Mutex
	found   []string
	numbers int
}

// plan is what the seed decided before anything happens.
type plan struct {
	seed     uint64
	rate     float64       // how often a fault comes, of all that leaves a process
	chaos    time.Duration // for how long faults come
	orders   int           // processes
	partners int
	sagas    int
	upgrade  bool // processes that are started anew have the next version
	stock    int
	fickle   float64 // how often a step does not do what it should
}

func planOf(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 1))
	return plan{
		seed: seed, rate: []float64{0, 0.004, 0.01, 0.02, 0.02, 0.04, 0.04, 0.08}[r.IntN(8)], chaos: time.Duration(500+r.IntN(4000)) * time.Millisecond,
		orders: 1 + min(1, r.IntN(4)), partners: 1 + r.IntN(2), sagas: 1 + r.IntN(3), upgrade: r.IntN(4) == 0, stock: 1 + r.IntN(3),
		fickle: []float64{0, 0.05, 0.15}[r.IntN(3)],
	}
}

// chance is the same for the same things of a history, whatever comes when.
func (w *World) chance(of float64, words ...any) bool {
	h := uint64(14695981039346656037) ^ w.plan.seed*0x9E3779B97F4A7C15
	for _, b := range []byte(fmt.Sprintln(words...)) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(h, 3)).Float64() < of
}

// say records what must not be.
func (w *World) say(format string, args ...any) {
	w.wrong.Lock()
	defer w.wrong.Unlock()
	w.found = append(w.found, fmt.Sprintf(format, args...))
}

// Process is one that can die: what it has begun then comes to nothing.
type Process struct {
	world  *World
	name   string // with the number of times it was started
	place  int
	build  int // the version of the saga that it knows
	start  func(*Process)
	ctx    context.Context //nolint:containedctx // its life
	end    context.CancelFunc
	dead   bool      // guarded by the gate's mutex
	stands time.Time // until then nothing leaves it
	ear    *memory.Broker

	shop *orders // what it does
	side *partner
}

// Dead reports whether it died.
func (p *Process) Dead() bool {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.dead
}

// spawn starts a process in a place.
func (w *World) spawn(place, life, build int, kind string, start func(*Process)) {
	p := &Process{world: w, name: fmt.Sprintf("%s%d.%d", kind, place, life), place: place, build: build, start: start, ear: w.broker.Connect()}
	p.ctx, p.end = context.WithCancel(context.Background())
	w.alive[place] = p
	start(p)
}

// run has a part of a process work until it dies. That it ends before is a mistake.
func (p *Process) run(what string, fn func(ctx context.Context) error) {
	p.world.all.Go(func() {
		err := fn(p.ctx)
		if !p.Dead() && !p.world.isOver() {
			p.world.say("%s of %s ended: %v", what, p.name, err)
		}
	})
}

func (w *World) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// pool returns a process's connections to a database; they end with the process.
func (p *Process) pool(s *database.Store) *sql.DB {
	db := s.Pool(p)
	p.world.all.Go(func() {
		<-p.ctx.Done()
		_ = db.Close() // what they were used for has failed
	})
	return db
}

// kill ends a process: its transactions are rolled back, and nothing of it reaches the world any more.
func (w *World) kill(p *Process) {
	w.mu.Lock()
	if p.dead {
		w.mu.Unlock()
		return
	}
	p.dead = true
	w.mu.Unlock()
	w.cutOff(func(t *ticket) bool { return t.from == p })
	p.end()
	for _, s := range []*database.Store{w.orders, w.partners} {
		s.Cut(p)
	}
	if w.rng.IntN(2) == 0 { // else the broker finds out by the lease
		_ = p.ear.Close() // it cannot fail
	}
	w.deaths++
	delay := time.Duration(w.rng.IntN(2500)) * time.Millisecond
	if w.quietly {
		delay = 0
	}
	place, build := p.place, p.build
	if w.plan.upgrade && place < w.plan.orders {
		build = 2
	}
	kind, life := strings.TrimRight(p.name, "0123456789."), 0
	_, _ = fmt.Sscanf(p.name[strings.IndexByte(p.name, '.'):], ".%d", &life)
	w.after(delay, kind+" starts anew", func() { w.spawn(place, life+1, build, kind, p.start) })
}

// judge decides what becomes of what is about to leave a process.
func (w *World) judge(t *ticket) verdict {
	if w.quietly || w.rng.Float64() >= w.plan.rate {
		return passes
	}
	w.faults++
	const kinds = 12
	mayDie := w.mayDie() && t.from.place >= 0
	switch n := w.rng.IntN(kinds); {
	case n < 2 && mayDie:
		return diesBefore
	case n < 4 && mayDie:
		return diesAfter
	case n < 6:
		return failsBefore
	case n < 8:
		return failsAfter
	case t.kind == database.Inside || t.kind == database.Commit: // these keep the database from all others
		return passes
	case n < 10:
		t.ready = time.Now().Add(time.Duration(w.rng.IntN(3000)) * time.Millisecond)
		return late
	default:
		t.from.stands = time.Now().Add(time.Duration(500+w.rng.IntN(8500)) * time.Millisecond)
		return stands
	}
}

// mayDie bounds how much there is to start anew.
func (w *World) mayDie() bool { const most = 6; return w.deaths < most }

// weather plans what happens to the world besides.
func (w *World) weather() {
	if w.plan.rate == 0 {
		return
	}
	within := func(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }
	if w.rng.IntN(3) == 0 {
		w.after(within(w.plan.chaos), "the broker goes away", w.broker.Stop)
	}
	for _, s := range []*database.Store{w.orders, w.partners} {
		if w.rng.IntN(3) != 0 {
			continue
		}
		step := []time.Duration{time.Hour, -time.Hour}[w.rng.IntN(2)]
		at := within(w.plan.chaos)
		w.after(at, fmt.Sprintf("the clock of %s steps by %v", s.Name, step), func() { s.Step(step) })
		if back := at + within(w.plan.chaos); back < w.plan.chaos {
			w.after(back, fmt.Sprintf("the clock of %s steps by %v", s.Name, -step), func() { s.Step(-step) })
		}
	}
	if w.rng.IntN(4) == 0 {
		w.after(within(w.plan.chaos), "a person interferes", func() { w.all.Go(w.person) })
	}
}

// calm ends the faults: all that is away comes back. A clock that was ahead comes to be there
// again; else what was written then would be due an hour later.
func (w *World) calm() {
	w.quietly = true
	w.broker.Start()
	for _, s := range []*database.Store{w.orders, w.partners} {
		s.Set(time.Hour)
	}
	for _, p := range w.alive {
		if w.plan.upgrade && p.place < w.plan.orders && p.build < 2 && !p.Dead() {
			w.kill(p)
		}
	}
}

var errUnreachable = errors.New("simulation: nobody answers there")
