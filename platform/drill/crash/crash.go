// Package crash is the drill of all crashes together: processes are killed every two
// seconds, holders of sagas are stopped for longer than their leases, a database and the
// broker end in the middle of it and come back, and events are delivered again, late and
// behind newer ones. Who is there meanwhile, and what must hold in the end, is the
// caller's: see Result.Report for what this package judges itself.
package crash

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/fault/machine"
	"github.com/musterdev/muster/platform/drill/live"
)

// Config says what is broken.
type Config struct {
	Fleet         live.Fleet
	Killer        drill.Killer   // whom to kill; usually the fleet too
	Orchestrators []Orchestrator // services that carry on sagas, two replicas or more each
	// Broker is the URL of the NATS server whose events are delivered again; "": none are.
	Broker string
	// Restart crashes a database and has it come back after so long, and says what it did;
	// nil: there is none that could be.
	Restart func(ctx context.Context, r *rand.Rand, away time.Duration) (what string, err error)
	For     time.Duration
	Every   time.Duration            // between two kills; 0 means 2 s
	Paused  time.Duration            // how long a holder is stopped; 0 means 6 s, more than a lease
	Settled time.Duration            // how long takeovers are waited for; 0 means 15 s after the holder's death
	Apart   map[string]time.Duration // least time between two kills of a kind
	Seed    uint64                   // of all choices; which moments they meet is the machine's
	Tell    func(Fault)              // told each fault as it happens, one at a time; may be nil
	// Stop stops a process; nil means machine.Pause.
	Stop func(ctx context.Context, pid int) (Stopped, error)
}

// Stopped is a process that is stopped.
type Stopped interface {
	Resume(ctx context.Context) (fault.Proof, error)
}

// Orchestrator is a service that carries on sagas, and the database it keeps them in.
type Orchestrator struct {
	Service string
	DB      *sql.DB // only read
}

// Fault is something that was broken.
type Fault struct {
	At   time.Duration `json:"at_ns"` // from the beginning of the drill
	What string        `json:"what"`
}

// String returns the fault on one line.
func (f Fault) String() string { return fmt.Sprintf("%5.1f s  %s", f.At.Seconds(), f.What) }

// Result is what was broken, and what was seen of it.
type Result struct {
	For       time.Duration
	Faults    []Fault         // in the order of their times
	Kills     map[string]int  // by kind, also those that were never killed
	Takeovers []time.Duration // of sagas whose holder was killed, until another had each; in no order
	Orphans   int             // sagas whose holder was killed; more than Takeovers: the others were never taken over
	Pauses    int             // of replicas that held sagas, for longer than the lease
	Held      int             // sagas that those held when they stopped
	Overtaken int             // of these: taken over by others meanwhile
	Restarts  int             // of the database
	Copies    Copies
	paused    time.Duration
	databases bool // there was a database that could be restarted
}

const (
	every      = 2 * time.Second
	pauseFor   = saga.Lease + 2*time.Second
	pauseEvery = 14 * time.Second
	dbEvery    = 9 * time.Second
	dbAway     = 1500 * time.Millisecond // at most
	quarter    = 4                       // of the drill passes before the first fault beside the kills, 2.5 s at most
	firstly    = 2500 * time.Millisecond
	settled    = 15 * time.Second // how long a takeover is waited for after the last fault
)

// breaking is a drill that runs.
type breaking struct {
	Config
	began time.Time

	mu     sync.Mutex
	result Result
	busy   map[string]int // services that a fault is in progress at, of which the next must wait
	away   bool           // so is the database

	watches sync.WaitGroup
	telling sync.Mutex
}

// Run breaks the fleet for so long, and returns when all of it is taken back and each saga
// of a killed holder has gone on, or has not for 15 s. It fails when a fault could not be had.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	b := &breaking{Config: cfg, began: time.Now(), busy: map[string]int{}}
	b.Every, b.Paused, b.Settled = cmp.Or(b.Every, every), cmp.Or(b.Paused, pauseFor), cmp.Or(b.Settled, settled)
	if b.Stop == nil {
		b.Stop = func(ctx context.Context, pid int) (Stopped, error) { return machine.Pause(ctx, pid) }
	}
	b.result = Result{For: cfg.For, paused: b.Paused, Kills: map[string]int{}, databases: cfg.Restart != nil}
	breaks, end := context.WithTimeout(ctx, cfg.For)
	defer end()
	var failed [3]error
	var all sync.WaitGroup
	run := func(i int, what func() error) {
		all.Go(func() {
			if failed[i] = what(); failed[i] != nil {
				end()
			}
		})
	}
	all.Go(func() {
		kills := drill.Chaos(breaks, drill.ChaosConfig{Fleet: killer{b, ctx}, Every: b.Every, Apart: cfg.Apart, Seed: cfg.Seed})
		b.mu.Lock()
		defer b.mu.Unlock()
		maps.Copy(b.result.Kills, kills)
	})
	run(0, func() error { return b.again(breaks, ctx, "pause", pauseEvery, b.Paused, b.pause) })
	if cfg.Restart != nil {
		run(1, func() error { return b.again(breaks, ctx, "database", dbEvery, dbAway, b.restart) })
	}
	if cfg.Broker != "" {
		run(2, func() error { return b.copy(breaks, ctx) })
	}
	all.Wait()
	b.watches.Wait()
	if err := cmp.Or(ctx.Err(), errors.Join(failed[:]...)); err != nil {
		return nil, err
	}
	slices.SortStableFunc(b.result.Faults, func(x, y Fault) int { return cmp.Compare(x.At, y.At) })
	return &b.result, nil
}

// again has a fault come again and again until breaks ends, the last one early enough to be
// over by then. Each kind of fault has choices of its own, so that the one does not move
// the other's.
func (b *breaking) again(breaks, whole context.Context, name string, every, length time.Duration, once func(context.Context, *rand.Rand) error) error {
	r := b.random(name)
	end, _ := breaks.Deadline()
	first := min(firstly, b.For/quarter)
	for wait := first; ; wait = every - every/4 + time.Duration(r.Int64N(int64(every/2))) {
		if time.Until(end) < wait+length && wait > first {
			return nil
		}
		if live.Pause(breaks, wait) != nil {
			return nil //nolint:nilerr // the drill is over
		}
		if err := once(whole, r); err != nil {
			return fmt.Errorf("crash: %s: %w", name, err)
		}
	}
}

func (b *breaking) random(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return rand.New(rand.NewPCG(b.Seed, h.Sum64()))
}

// tell notes a fault that happened at a moment.
func (b *breaking) tell(at time.Time, format string, args ...any) {
	f := Fault{at.Sub(b.began), fmt.Sprintf(format, args...)}
	b.mu.Lock()
	b.result.Faults = append(b.result.Faults, f)
	b.mu.Unlock()
	if b.Tell != nil {
		b.telling.Lock()
		defer b.telling.Unlock()
		b.Tell(f)
	}
}

// reserve waits until a service is whole, the database is there and nothing else is being
// done to either, and has it for the caller, who calls free. A fault on top of another would
// make a measurement of both.
func (b *breaking) reserve(ctx context.Context, services []string, database bool) (free func(), ok bool) {
	for {
		if b.take(services, database) {
			return func() { b.leave(services, database) }, true
		}
		if live.Pause(ctx, 50*time.Millisecond) != nil {
			return nil, false
		}
	}
}

func (b *breaking) take(services []string, database bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range services {
		if b.busy[s] > 0 {
			return false
		}
	}
	if b.away {
		return false
	}
	for _, s := range services {
		b.busy[s]++
	}
	b.away = database
	return true
}

func (b *breaking) leave(services []string, database bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range services {
		b.busy[s]--
	}
	if database {
		b.away = false
	}
}

// restart crashes the database when no takeover is being measured.
func (b *breaking) restart(ctx context.Context, r *rand.Rand) error {
	away := time.Duration(r.Int64N(int64(dbAway)))
	var names []string
	for _, o := range b.Orchestrators {
		names = append(names, o.Service)
	}
	free, ok := b.reserve(ctx, names, true)
	if !ok {
		return ctx.Err()
	}
	defer free()
	at := time.Now()
	what, err := b.Restart(ctx, r, away)
	if err != nil {
		return err
	}
	b.tell(at, "%s", what)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.result.Restarts++
	return nil
}
