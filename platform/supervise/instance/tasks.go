package instance

import (
	"context"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/supervise/probe"
	"github.com/musterdev/muster/problem"
)

// registryWithin bounds one exchange with the registry, which may be away.
const registryWithin = 2 * time.Second

// ask asks the readiness question until the life ends, often until the first yes.
func (i *Instance) ask(ctx context.Context, life int, term string) {
	every, was := i.cfg.Timing.ProbeFirst, false
	for {
		a := probe.Ask(ctx, i.cfg.Ready.Target)
		if ctx.Err() != nil {
			return
		}
		i.mu.Lock()
		if i.state.Overdue == "" { // else it was killed: what it answers now is our doing
			i.probe, i.lease = a.Text, a.Lease || i.lease && !a.Yes
		}
		i.mu.Unlock()
		if a.Lease {
			i.isKnown()
		}
		i.report(ctx, probed{life: life, ready: a.Yes})
		if a.Yes && !was {
			every, was = i.cfg.Ready.Every, true
			i.tasks.Go(func() { i.keepLease(ctx, term) })
			i.tasks.Go(func() { i.askLive(ctx, life) })
		}
		if i.cfg.Ready.Target.Kind == probe.None || !wait(ctx, every) {
			return
		}
	}
}

// askLive asks the liveness question until the life ends.
func (i *Instance) askLive(ctx context.Context, life int) {
	if kind := i.cfg.Live.Target.Kind; kind == "" || kind == probe.None {
		return
	}
	for wait(ctx, i.cfg.Live.Every) {
		a := probe.Ask(ctx, i.cfg.Live.Target)
		if ctx.Err() != nil {
			return
		}
		if !a.Yes {
			i.mu.Lock()
			i.probe = a.Text
			i.mu.Unlock()
		}
		i.report(ctx, lived{life: life, alive: a.Yes})
	}
}

// report tells run what a task of a life has seen, unless that life is over.
func (i *Instance) report(ctx context.Context, e input) {
	select {
	case i.orders <- e:
	case <-ctx.Done():
	}
}

// announce wakes the keeper of the lease, if there is one.
func (i *Instance) announce() {
	select {
	case i.kick <- struct{}{}:
	default: // it will look anyway
	}
}

// keepLease registers the instance and renews its lease until the life ends,
// for as long as the program does not do so itself. term is the lease of this life.
func (i *Instance) keepLease(ctx context.Context, term string) {
	if !i.registered() {
		return
	}
	found := map[string]string{} // endpoints at which somebody listens
	beat := time.NewTicker(i.cfg.Timing.Beat)
	defer beat.Stop()
	for {
		if state, ours := i.leaseState(); ours {
			i.look(ctx, found)
			if len(found) == 0 {
				i.isKnown() // there is nothing to find
			} else {
				i.beat(ctx, term, state, found)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-i.kick:
		case <-beat.C:
		}
	}
}

// leaseState returns what to tell the registry, and whether it is ours to tell.
func (i *Instance) leaseState() (state discovery.State, ours bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch i.state.Phase {
	case Ready:
		state = discovery.Ready
	case Draining, Stopping:
		state = discovery.Draining
	default:
		state = discovery.Starting
	}
	return state, !i.lease
}

// look adds the endpoints where somebody listens by now: who runs a program of
// another's need not know whether it speaks HTTP, gRPC, both or neither.
func (i *Instance) look(ctx context.Context, found map[string]string) {
	for name, address := range i.cfg.Record.Endpoints {
		if found[name] == "" && probe.Ask(ctx, probe.Target{Kind: probe.TCP, Address: address}).Yes {
			found[name] = address
		}
	}
}

func (i *Instance) beat(ctx context.Context, term string, state discovery.State, endpoints map[string]string) {
	in := i.cfg.Record
	in.ID, in.Service, in.State, in.Holder = i.cfg.ID, i.cfg.Service, state, heldBySupervisor
	in.Endpoints = endpoints
	ctx, cancel := context.WithTimeout(ctx, registryWithin)
	defer cancel()
	err := i.cfg.Registry.Put(ctx, in, term)
	// A program that registers itself under a lease of its own has the id.
	other := problem.CodeOf(err) == problem.Conflict
	i.mu.Lock()
	i.leaseErr = ""
	if err != nil && !other {
		i.leaseErr = err.Error()
	}
	i.mu.Unlock()
	if (err == nil || other) && state == discovery.Ready { // as starting nobody would choose it yet
		i.isKnown()
	}
}

// isKnown notes that callers can find the instance.
func (i *Instance) isKnown() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.known {
		i.known = true
		i.wake()
	}
}

// withdraw deletes the instance from the registry, in the background: a registry
// that is away must not hold up the next start. By then the next life may be registered
// under the same id, so that only the lease of the last one is given back.
func (i *Instance) withdraw() {
	term := i.term
	if !i.registered() || term == "" {
		return
	}
	i.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), registryWithin)
		defer cancel()
		_ = i.cfg.Registry.Delete(ctx, i.cfg.ID, term) // away: the lease ends by itself
	})
}

// quiesce waits until nothing is sent to the instance any more. Whoever is away
// is not waited for: the drain goes on with those who are there.
func (i *Instance) quiesce(life int) {
	ctx, cancel := context.WithTimeout(i.ctx, i.cfg.Timing.DrainWithin)
	defer cancel()
	known := time.NewTimer(i.cfg.Timing.Watchers)
	defer known.Stop()
	if i.registered() {
		told, done := context.WithTimeout(ctx, registryWithin)
		_ = i.cfg.Registry.Drain(told, i.cfg.ID) // away: its watchers learn of the end by refused connections
		done()
	}
	if i.cfg.Edge != nil && !i.cfg.Engine {
		_ = i.cfg.Edge.Drain(ctx, i.cfg.ID) // away: then nothing of it is in flight
	}
	select {
	case <-known.C:
	case <-ctx.Done():
	}
	i.report(i.ctx, drained{life: life})
}

// wait reports whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
