package instance

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/process"
)

// Instance is one copy of a service, from its first life to its last. Its
// methods may be called concurrently.
type Instance struct {
	cfg    Config
	policy Policy
	orders chan input    // to run, from everybody else
	kick   chan struct{} // to the keeper of the lease: the phase changed
	done   chan struct{} // closed when it is over and nothing of it is left
	tasks  sync.WaitGroup
	ctx    context.Context //nolint:containedctx // it is the instance's own life: ends when that is over
	end    context.CancelFunc

	// Owned by run.
	dead    <-chan struct{}     // the present process has ended
	exit    func() process.Exit // how; after dead
	endLife context.CancelFunc  // ends the goroutines of the present life
	term    string              // by which lease its process is known (discovery.LeaseHeader)

	mu       sync.Mutex
	state    State
	proc     *process.Process // the last one started
	lastExit string           // how the life before ended
	probe    string           // what the last probe brought
	lease    bool             // the program holds its lease itself
	leaseErr string           // why the lease we hold cannot be renewed
	known    bool             // callers can find it: the registry has it, or need not
	failure  *Failure
	changed  chan struct{} // closed and renewed at each change of state
}

// Start brings an instance to life. It goes on until Stop or Drain, or until it
// fails on trial.
func Start(cfg Config) *Instance {
	cfg.Timing = cfg.Timing.withDefaults()
	cfg.Ready, cfg.Live = cfg.Ready.withDefaults(), cfg.Live.withDefaults()
	cfg.Grace = cmp.Or(cfg.Grace, 10*time.Second)
	i := &Instance{
		cfg: cfg, policy: cfg.policy(), state: first(cfg.Trial, time.Now()),
		orders: make(chan input), kick: make(chan struct{}, 1), done: make(chan struct{}),
		changed: make(chan struct{}), endLife: func() {},
	}
	i.ctx, i.end = context.WithCancel(context.Background())
	go i.run()
	return i
}

// ID returns the instance's name in the fleet.
func (i *Instance) ID() string { return i.cfg.ID }

// Done returns a channel that is closed when the instance is over: its process
// dead, its registry entry deleted as far as the registry could be reached.
func (i *Instance) Done() <-chan struct{} { return i.done }

// Err returns the *Failure of an instance that failed on trial, else nil.
func (i *Instance) Err() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.failure == nil {
		return nil
	}
	return i.failure
}

// Settle ends the trial: from now on a death is followed by another start.
func (i *Instance) Settle() { i.order(settle{}) }

// Drain takes the instance out of service and then ends it; see Done.
func (i *Instance) Drain() { i.order(drain{}) }

// MayFollow says whether another process may take this one's place just now: then it is no
// failure, and not followed by another start, when it ends the polite way.
func (i *Instance) MayFollow(may bool) { i.order(follows{may}) }

// Leave notes that another process has taken this one's place, so that it ends by itself;
// after within it is told to. See Done.
func (i *Instance) Leave(within time.Duration) { i.order(leave{within}) }

// Stop ends the instance, the polite way first; see Done.
func (i *Instance) Stop() { i.order(stop{}) }

// Kill kills the instance's process with all it started, as if by accident. It
// starts again as the policy says, or stays away for a while first. Kill reports
// whether there was a process.
func (i *Instance) Kill(away time.Duration) bool {
	i.mu.Lock()
	proc, phase := i.proc, i.state.Phase
	i.mu.Unlock()
	if proc == nil || phase == Backoff || phase.Final() {
		return false
	}
	i.order(crash{away: away})
	return true
}

// Await returns nil once the instance is ready and callers can find it, and a
// *Failure when it has ended instead or the registry does not take it.
func (i *Instance) Await(ctx context.Context) error {
	late := time.NewTimer(i.cfg.Timing.Register)
	defer late.Stop()
	for {
		i.mu.Lock()
		phase, known, failure, changed := i.state.Phase, i.known, i.failure, i.changed
		i.mu.Unlock()
		switch {
		case phase == Ready && known:
			return nil
		case phase != Ready:
			late.Reset(i.cfg.Timing.Register)
		}
		switch {
		case failure != nil:
			return failure
		case phase.Final(), phase == Stopping, phase == Draining:
			return fmt.Errorf("%s was told to end before it was ready", i.cfg.ID)
		}
		select {
		case <-changed:
		case <-late.C:
			if phase == Ready {
				return i.unregistered()
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// FirstLife waits until the instance is ready for the first time, and reports true, or
// until its first life has ended without that, or ctx.
func (i *Instance) FirstLife(ctx context.Context) (ready bool) {
	for {
		i.mu.Lock()
		s, changed := i.state, i.changed
		i.mu.Unlock()
		switch {
		case s.Phase == Ready:
			return true
		case s.Phase.Final(), s.Life > 1, s.Life == 1 && s.Phase != Starting:
			return false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (i *Instance) order(e input) {
	select {
	case i.orders <- e:
	case <-i.ctx.Done():
	}
}

// run is the instance's life: it tells step what happens and does what it says.
func (i *Instance) run() {
	defer close(i.done)
	defer i.cfg.Log.Close()
	defer i.tasks.Wait()
	defer i.end()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		var e input
		select {
		case e = <-i.orders:
		case <-i.dead:
			e = i.bury()
		case <-wake.C:
			e = tick{}
		}
		before := i.state // nobody else writes it
		after, actions := step(before, e, time.Now(), i.policy)
		i.become(before, after)
		for _, a := range actions {
			i.do(a, after)
		}
		if after.Phase.Final() {
			return
		}
		wake.Stop()
		if !after.Wake.IsZero() {
			wake.Reset(time.Until(after.Wake))
		}
	}
}

// bury notes how the present life ended.
func (i *Instance) bury() input {
	exit := i.exit()
	i.dead = nil
	i.endLife()
	text := cmp.Or(i.state.Overdue, exit.String())
	i.mu.Lock()
	i.lastExit, i.leaseErr = text, ""
	i.mu.Unlock()
	return died{signal: exit.Signal != "", jitter: mathrand.Float64()}
}

// do carries out one action.
func (i *Instance) do(a action, s State) {
	switch a {
	case launch:
		i.launch(s)
	case announce:
		i.announce()
	case withdraw:
		i.withdraw()
	case quiesce:
		i.tasks.Go(func() { i.quiesce(s.Life) })
	case terminate:
		i.signal((*process.Process).Terminate)
	case kill:
		i.signal((*process.Process).Kill)
	}
}

// signal reaches the last process started, if any ever could be.
func (i *Instance) signal(send func(*process.Process)) {
	i.mu.Lock()
	proc := i.proc
	i.mu.Unlock()
	if proc != nil {
		send(proc)
	}
}

// launch starts a process and the questions to it.
func (i *Instance) launch(s State) {
	i.cfg.Log.Begin(fmt.Sprintf("%s, life %d: %s", i.cfg.ID, s.Life, strings.Join(i.cfg.Spec.Argv, " ")))
	spec := i.cfg.Spec
	spec.Output = i.cfg.Log
	i.term = rand.Text()
	if i.registered() { // a program that registers itself does so under the lease that we can end
		spec.Env = append(slices.Clone(spec.Env), "MUSTER_LEASE="+i.term)
	}
	proc, err := i.cfg.Starter.Start(spec)
	if err != nil {
		over := make(chan struct{})
		close(over)
		i.dead, i.exit, i.endLife = over, func() process.Exit { return process.Exit{Code: -1, Err: err} }, func() {}
		return
	}
	ctx, cancel := context.WithCancel(i.ctx)
	i.dead, i.exit, i.endLife = proc.Done(), proc.Exit, cancel
	i.mu.Lock()
	i.proc, i.lease, i.probe, i.known = proc, false, "", !i.registered()
	i.mu.Unlock()
	i.emit(event.Event{Kind: event.Starting, PID: proc.PID()})
	term := i.term // the next life has another
	i.tasks.Go(func() { i.ask(ctx, s.Life, term) })
}
