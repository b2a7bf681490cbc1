//go:build !race

package checkout_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func TestMain(m *testing.M) {
	if id, url, ok := strings.Cut(os.Getenv(victimEnv), " "); ok {
		fmt.Fprintln(os.Stderr, victim(context.Background(), url, id))
		os.Exit(1)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil { // worlds wait most of the time
		panic(err)
	}
	os.Exit(pgtest.Main(m))
}

// point is where one service is to crash in one story.
type point struct {
	story     story
	service   string
	at        crash.Point
	sometimes bool // not each checkout comes there
	late      bool // it may come just after the checkout's end
}

// kind is what the point is before or after.
func (p point) kind() crash.Kind {
	kind, _, _ := strings.Cut(p.at.At, " ")
	return crash.Kind(kind)
}

func (p point) String() string { return p.story.name + ": " + p.service + " " + p.at.String() }

// attempts is how many checkouts are tried to reach a point: goroutines run in another
// order each time, and what was in one write may be in two.
const attempts = 8

// lull is how long is waited, after a checkout, for what services do without one: they look
// for work, and extend leases, once a second.
const lull = 1200 * time.Millisecond

func TestACrashAtEveryBoundary(t *testing.T) {
	for _, on := range []func(*testing.T) engine{onSQLite, onPostgres} {
		e := on(t)
		t.Run(e.name, func(t *testing.T) { everyBoundary(t, e) })
	}
}

func everyBoundary(t *testing.T, e engine) {
	t.Helper()
	r := &results{engine: e.name, began: time.Now(), reached: map[crash.Kind]int{}, all: map[crash.Kind]int{}}
	first := newWorld(t, e, 0)
	for _, s := range stories() {
		recorded := first.record(s)
		for _, p := range services() {
			r.add(s, p.Name, recorded.always[p.Name], false)
			r.add(s, p.Name, recorded.sometimes[p.Name], true)
		}
	}
	r.choose(e.name)
	inWorlds(t, e, first, func(w *world) { w.crashAll(r) })
	first.t = t
	first.crashMissed(r)
	r.print(t, e.name)
}

// inWorlds does work in the worlds of an engine at once.
func inWorlds(t *testing.T, e engine, first *world, work func(*world)) {
	t.Helper()
	t.Run("worlds", func(t *testing.T) {
		for i := range e.worlds {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				w := first
				if i > 0 {
					w = newWorld(t, e, i)
				}
				w.t = t
				work(w)
			})
		}
	})
}

// crashAll takes one point after the other. A service that was just started anew carries
// one checkout out before it crashes again: so it crashes as it was recorded, with
// connections that are there.
func (w *world) crashAll(r *results) {
	last := ""
	for p, ok := r.take(last); ok; p, ok = r.take(last) {
		last = p.service
		began, tries := time.Now(), attempts
		if p.sometimes {
			tries = 1
		}
		hit, err := w.crashWithin(p, tries)
		r.note(w.t, p, hit, err, time.Since(began))
		if err != nil {
			return // what is wrong in this world stays so
		}
	}
}

// persistence is how many checkouts are tried to reach a point that the others have missed.
const persistence = 40

// crashMissed tries once more what was not reached, now that nothing else runs: what a server sends in two writes
// when it has time it sends in one when it has not, and the recording was made with time. What is still not
// reached counts among what only some checkouts come to where a second recording shows that it is.
func (w *world) crashMissed(r *results) {
	missed := r.missed
	r.missed = nil
	for _, p := range missed {
		if r.failed {
			return
		}
		r.all[p.kind()]-- // note counts it anew
		began := time.Now()
		p.late = true
		hit, err := w.crashWithin(p, attempts)
		if !hit && err == nil {
			p.sometimes = !slices.Contains(w.record(p.story).always[p.service], p.at.At)
		}
		if !hit && err == nil && !p.sometimes {
			hit, err = w.crashWithin(p, persistence-attempts)
		}
		r.note(w.t, p, hit, err, time.Since(began))
	}
}

// crashWithin carries out checkouts, so many at most, until one has crashed at a point.
func (w *world) crashWithin(p point, tries int) (hit bool, err error) {
	for try := 0; try < tries && !hit && err == nil; try++ {
		hit, err = w.crashAt(p, nil)
	}
	return hit, err
}

// crashAt has one checkout in which a service crashes at a point, starts it again, and
// proves that all is well in the end. then, if there is one, is where a service crashes
// after that, in the same checkout. reached is false when the checkout never came to the
// last of them.
func (w *world) crashAt(p point, then *point) (reached bool, err error) {
	w.tell(p.story)
	order := w.place(func() error { return w.processes[p.service].life.plan.Arm(p.at) })
	var o *placed
	if reached, err = w.await(p, order, &o); err != nil {
		return reached, err
	}
	if reached && then != nil {
		if err := w.processes[then.service].life.plan.Arm(then.at); err != nil {
			return false, err
		}
		if reached, err = w.await(*then, order, &o); err != nil {
			return reached, err
		}
	}
	if o == nil {
		last := <-order
		o = &last
	}
	if o.err != nil {
		return reached, fmt.Errorf("the order was not accepted: %w\n%s", o.err, w.logs())
	}
	if err := waitFor(patience, w.quiet); err != nil {
		return reached, fmt.Errorf("%w the order has not ended\n%s", err, w.logs())
	}
	if err := w.check(o.order); err != nil {
		return reached, errors.Join(err, errors.New(w.logs()))
	}
	return reached, nil
}

// await waits until a service has crashed where it is to, and starts it again; or until
// the checkout has ended without. o is the order, once it is accepted.
func (w *world) await(p point, order <-chan placed, o **placed) (reached bool, err error) {
	dying := w.processes[p.service]
	err = waitFor(2*patience, func() bool {
		if *o == nil {
			select {
			case accepted := <-order:
				*o = &accepted
			default:
			}
		}
		return closed(dying.life.struck) || *o != nil && ((*o).err != nil || w.quiet())
	})
	if err != nil {
		return false, fmt.Errorf("%w: neither crashed nor ended\n%s", err, w.logs())
	}
	if p.sometimes || p.late { // what a service does on its own from time to time comes by itself
		_ = waitFor(lull, func() bool { return closed(dying.life.struck) })
	}
	dying.life.plan.Disarm()
	if _, struck := dying.life.plan.Struck(); !struck {
		return false, nil
	}
	<-dying.life.struck
	return true, w.revive(dying)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// revive starts a service again that has crashed.
func (w *world) revive(p *process) error {
	p.bury()
	if err := w.expire(p.service.Name); err != nil {
		return err
	}
	p.restart(w.t)
	return nil
}

func (w *world) logs() (text string) {
	for name, p := range w.processes {
		text += name + ":\n" + p.log.String()
	}
	return text
}
