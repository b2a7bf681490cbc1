package crash

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrCut is what everything returns that a process does after it was cut off.
var ErrCut = errors.New("crash: this process is cut off")

// maxRecorded bounds what is kept of a run; it is counted on.
const maxRecorded = 100_000

// Plan counts the boundaries of one process and crashes it at one of them. A new plan
// does neither, and all its wrappers pass everything through. Its methods are safe for
// concurrent use; a nil *Plan wraps nothing, counts nothing and never crashes.
type Plan struct {
	strike func()
	told   func(Boundary)        // of each recorded one; may be nil
	before func(Point, Boundary) // the strike; may be nil

	mu       sync.Mutex
	counting bool
	index    int
	numbers  map[string]int // by kind and what
	recorded []Boundary
	record   bool
	unseen   string // the next write of this name is not counted
	at       Point  // Side "": nowhere
	struck   Boundary
	cut      bool
	conns    map[closer]struct{} // to be closed by a cut
	doing    int                 // what has begun and not ended
	idle     *sync.Cond
}

// closer is compared by identity.
type closer interface{ Close() error }

// New returns a plan. strike ends the process, and is called once, by who comes to the
// point, when everything of it is cut off already: [Kill] for a real process; for one that
// a test plays, a function that ends what plays it and does not wait for that. nil only
// cuts off.
func New(strike func()) *Plan {
	p := &Plan{strike: strike, numbers: map[string]int{}, conns: map[closer]struct{}{}}
	p.idle = sync.NewCond(&p.mu)
	return p
}

// Kill ends this process by SIGKILL and does not return: no deferred call runs, nothing is
// flushed, nobody is told.
func Kill() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // the signal comes
}

// Record begins to count anew, and to keep what is counted (the first 100,000).
func (p *Plan) Record() { p.begin(Point{}, true, "") }

// Recorded returns what was counted since Record, in the order in which it began.
func (p *Plan) Recorded() []Boundary {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Boundary(nil), p.recorded...)
}

// Arm begins to count anew, and crashes at the point. The error is of a point that names
// no boundary; one that only never comes is none.
func (p *Plan) Arm(at Point) error {
	if err := at.check(); err != nil {
		return err
	}
	p.begin(at, false, "")
	return nil
}

// Disarm ends the counting. What was recorded is kept.
func (p *Plan) Disarm() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counting, p.at = false, Point{}
}

func (p *Plan) begin(at Point, record bool, unseen string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counting, p.at, p.record, p.unseen = true, at, record, unseen
	p.index, p.recorded, p.struck = 0, nil, Boundary{}
	clear(p.numbers)
}

// Struck returns the boundary that the process crashed at.
func (p *Plan) Struck() (Boundary, bool) {
	if p == nil {
		return Boundary{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck, p.struck.Index > 0
}

// Cut cuts the process off now, at no boundary, as a kill from outside does. It does not
// call strike.
func (p *Plan) Cut() {
	if p != nil {
		p.sever()
	}
}

// Settle waits until what had begun before the cut has ended. What is carried out by
// another process, as by a database's server, may outlive a kill by so much; in a test a
// successor is started after it.
func (p *Plan) Settle() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.doing > 0 {
		p.idle.Wait()
	}
}

// Do carries out one input or output that none of the wrappers reaches: it is counted
// under kind and what, and crashed at, before and after. After a cut it returns [ErrCut]
// and op is not called, or its result is not told.
func (p *Plan) Do(kind Kind, what string, op func() error) error {
	if p == nil {
		return op()
	}
	b, err := p.enter(kind, what)
	if err != nil {
		return err
	}
	defer p.leave()
	err = op()
	return p.after(b, err)
}

// enter counts a boundary, crashes before it, or lets it begin.
func (p *Plan) enter(kind Kind, what string) (Boundary, error) {
	p.mu.Lock()
	if p.cut {
		p.mu.Unlock()
		return Boundary{}, ErrCut
	}
	b := p.count(kind, what)
	told := p.told
	if !p.record || b.Index == 0 {
		told = nil
	}
	hit := p.hits(b, Before)
	if !hit {
		p.doing++
	}
	p.mu.Unlock()
	if told != nil {
		told(b)
	}
	if hit {
		return b, p.crash(Point{At: b.Name(), Side: Before}, b)
	}
	return b, nil
}

// after crashes after a boundary. Who was cut off meanwhile never learns how it ended.
func (p *Plan) after(b Boundary, err error) error {
	p.mu.Lock()
	hit, cut := p.hits(b, After), p.cut
	p.mu.Unlock()
	switch {
	case hit:
		return p.crash(Point{At: b.Name(), Side: After}, b)
	case cut:
		return ErrCut
	}
	return err
}

func (p *Plan) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doing--; p.doing == 0 {
		p.idle.Broadcast()
	}
}

// count numbers a boundary; Index 0: it is not counted.
func (p *Plan) count(kind Kind, what string) Boundary {
	b := Boundary{Kind: kind, What: what}
	if !p.counting {
		return b
	}
	if kind == Write && p.unseen != "" && p.unseen == what {
		p.unseen = ""
		return b
	}
	key := string(kind) + " " + what
	p.numbers[key]++
	p.index++
	b.Index, b.N = p.index, p.numbers[key]
	if p.record && len(p.recorded) < maxRecorded {
		p.recorded = append(p.recorded, b)
	}
	return b
}

// hits tells whether the process is to crash here, which it does once.
func (p *Plan) hits(b Boundary, side Side) bool {
	if p.cut || !p.counting || b.Index == 0 || p.at.Side != side || !p.at.matches(b) {
		return false
	}
	p.at, p.struck, p.cut = Point{}, b, true // from here on nobody else begins anything
	return true
}

// crash ends the process at b.
func (p *Plan) crash(at Point, b Boundary) error {
	if p.before != nil {
		p.before(at, b)
	}
	p.sever()
	if p.strike != nil {
		p.strike()
	}
	return fmt.Errorf("%w at: %s", ErrCut, at)
}

// sever lets nothing begin any more and closes what is open.
func (p *Plan) sever() {
	p.mu.Lock()
	p.cut, p.at = true, Point{}
	conns := p.conns
	p.conns = map[closer]struct{}{}
	p.mu.Unlock()
	for c := range conns {
		_ = c.Close() // it is the peer who is to see it
	}
}

// dead tells whether the process is cut off.
func (p *Plan) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// keep has a cut close c; false: it has been cut already.
func (p *Plan) keep(c closer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		p.conns[c] = struct{}{}
	}
	return !p.cut
}

func (p *Plan) forget(c closer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
