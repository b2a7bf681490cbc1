// Package down is the drill of the dead and of the stalled: one replica of a service is
// killed, one is stopped so that it keeps its connections and says nothing, and all of a
// service are away. Who calls it is to see as little of that as can be.
package down

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/fault/machine"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// Config says what is broken and who is to see nothing of it.
type Config struct {
	Fleet live.Fleet
	Rate  load.Rate // visits a second; 0 means 500
	// Plan is what visitors do: only what may be repeated, or who fails is not the fleet.
	// Its stages are the drill's.
	Plan load.Plan
	// Callers call the victims too, as steps of the plan: of them it is known which attempts
	// failed. Each is a pool of connections.
	Callers []*call.Caller
	Kill    []string // services of whom one replica is killed, one service after the other
	Stall   []string // services of whom one replica is stopped
	// Unsafe is what may not be repeated, with a deadline of its own, while a replica is
	// stopped. Answered is how long its longest answer may take. No steps: it is left out.
	Unsafe   load.Flow
	Answered time.Duration
	Dead     Dead

	Stalled time.Duration // how long a replica is stopped; 0 means 15 s, more than a call takes at most
	Away    time.Duration // how long one that is killed stays away; 0 means 3 s
	// Stop stops a process; nil means machine.Pause.
	Stop func(ctx context.Context, pid int) (Stopped, error)
}

// Stopped is a process that is stopped.
type Stopped interface {
	Resume(ctx context.Context) (fault.Proof, error)
}

// Dead says what is to be seen while every replica of a service is away.
type Dead struct {
	Service  string      // "": that is left out
	Degraded []load.Flow // what needs it, and does with less
	Others   []load.Flow // what does not need it
	What     string      // what those that need it do without it, in a few words
}

// Run breaks the fleet and reports what was seen.
func Run(ctx context.Context, cfg Config) (*drill.Report, error) {
	cfg.Rate = cmp.Or(cfg.Rate, 500)
	cfg.Stalled, cfg.Away = cmp.Or(cfg.Stalled, 15*time.Second), cmp.Or(cfg.Away, 3*time.Second)
	if cfg.Stop == nil {
		cfg.Stop = func(ctx context.Context, pid int) (Stopped, error) { return machine.Pause(ctx, pid) }
	}
	r := &drill.Report{Drill: "service-down", Seed: cfg.Plan.Seed}
	for _, service := range slices.Concat(cfg.Kill, cfg.Stall) {
		if _, err := cfg.ready(service); err != nil {
			return nil, err
		}
	}
	// What fails before anything is broken is not to be blamed on what is.
	if err := live.Begin(ctx, cfg.Plan, cfg.Rate, live.Margin(cfg.Away)).NoneFailed(r, "before"); err != nil {
		return nil, err
	}
	for _, service := range cfg.Kill {
		if err := cfg.kill(ctx, r, service); err != nil {
			return nil, err
		}
	}
	for _, service := range cfg.Stall {
		if err := cfg.stall(ctx, r, service); err != nil {
			return nil, err
		}
	}
	if cfg.Dead.Service == "" {
		return r, nil
	}
	return r, cfg.dead(ctx, r)
}

// ready returns the instances of a service that are ready, two or more.
func (cfg *Config) ready(service string) ([]instance.Status, error) {
	list := live.Ready(cfg.Fleet, service)
	if len(list) < 2 {
		return nil, fmt.Errorf("service-down: %s has %d ready replicas; it needs 2 or more, so that one may be broken", service, len(list))
	}
	return list, nil
}

// kill kills one replica of a service.
func (cfg *Config) kill(ctx context.Context, r *drill.Report, service string) error {
	all, err := cfg.ready(service)
	if err != nil {
		return err
	}
	n := len(all)
	what := fmt.Sprintf("kill -9 of one of %d of %s", n, service)
	margin := live.Margin(cfg.Away)
	traffic := live.Begin(ctx, cfg.Plan, cfg.Rate, cfg.Away+2*margin)
	if err := live.Pause(ctx, margin); err != nil {
		return err
	}
	before := failedAttempts(cfg.Callers, service)
	ready, err := cfg.ready(service)
	if err != nil {
		return err
	}
	victim := ready[0]
	if err := cfg.Fleet.KillFor(victim.ID, cfg.Away); err != nil {
		return err
	}
	if err := traffic.NoneFailed(r, what); err != nil {
		return err
	}
	if len(cfg.Callers) > 0 {
		most, all := 0, 0
		for i, now := range failedAttempts(cfg.Callers, service) {
			most, all = max(most, now-before[i]), all+now-before[i]
		}
		r.Add(what+": failed attempts of one connection pool, the most", "<= 1", fmt.Sprintf("%d (%d of %d pools)", most, all, len(cfg.Callers)), most <= 1)
	}
	return live.Whole(ctx, cfg.Fleet, service, n, victim)
}

// failedAttempts counts, for each caller, the attempts at a service that brought nothing.
func failedAttempts(callers []*call.Caller, service string) []int {
	out := make([]int, len(callers))
	for i, c := range callers {
		for _, s := range c.Stats() {
			if s.Service != service {
				continue
			}
			for _, route := range s.Routes {
				out[i] += int(route.Attempts.Failed + route.Attempts.Unreachable + route.Attempts.Abandoned) //nolint:gosec // counts of a short time
			}
		}
	}
	return out
}

// stall stops one replica of a service for a while.
func (cfg *Config) stall(ctx context.Context, r *drill.Report, service string) error {
	ready, err := cfg.ready(service)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("one of %d of %s stopped", len(ready), service)
	length := cfg.Stalled + 2*live.Margin(cfg.Stalled)
	before := failedAttempts(cfg.Callers, service)
	traffic := live.Begin(ctx, cfg.Plan, cfg.Rate, length)
	var unsafe *live.Traffic
	if len(cfg.Unsafe.Steps) > 0 {
		alone := cfg.Plan
		alone.Flows = []load.Flow{cfg.Unsafe}
		unsafe = live.Begin(ctx, alone, cfg.Rate/10, length)
	}
	proof, err := cfg.stop(ctx, ready[0].PID)
	if err != nil {
		return err
	}
	if err := traffic.NoneFailed(r, what); err != nil {
		return err
	}
	r.Note("%s: %s", what, proof)
	if len(cfg.Callers) > 0 {
		all := 0
		for i, now := range failedAttempts(cfg.Callers, service) {
			all += now - before[i]
		}
		r.Note("%s: %d attempts of %d pools came to nothing", what, all, len(cfg.Callers))
	}
	if unsafe == nil {
		return nil
	}
	got, err := unsafe.End()
	if err != nil {
		return err
	}
	// A call that may not be repeated either succeeds or says within its time that it is
	// not known what became of it.
	typed := int64(0)
	for _, s := range got.Steps {
		typed += s.Status["502"] + s.Status["504"]
	}
	r.Add(what+": calls that may not be repeated", "done, or 502 or 504 in their time",
		fmt.Sprintf("%s; the longest took %s", live.Codes(got.Steps...), got.Response.Max.Round(time.Millisecond)),
		got.OK > 0 && got.OK+typed == got.Offered && got.Response.Max <= cfg.Answered)
	return nil
}

// stop stops a process for the time of a stall.
func (cfg *Config) stop(ctx context.Context, pid int) (fault.Proof, error) {
	if err := live.Pause(ctx, live.Margin(cfg.Stalled)); err != nil {
		return fault.Proof{}, err
	}
	stopped, err := cfg.Stop(ctx, pid)
	if err != nil {
		return fault.Proof{}, err
	}
	early := live.Pause(ctx, cfg.Stalled)
	proof, err := stopped.Resume(context.WithoutCancel(ctx)) // it must not stay stopped
	return proof, cmp.Or(early, err)
}

// dead kills every replica of a service.
func (cfg *Config) dead(ctx context.Context, r *drill.Report) error {
	service := cfg.Dead.Service
	ready := live.Ready(cfg.Fleet, service)
	for _, i := range ready {
		if err := cfg.Fleet.KillFor(i.ID, cfg.Away+live.Margin(cfg.Away)); err != nil {
			return err
		}
	}
	degraded, others := cfg.Plan, cfg.Plan
	degraded.Flows, others.Flows = cfg.Dead.Degraded, cfg.Dead.Others
	needs := live.Begin(ctx, degraded, cfg.Rate/10, cfg.Away)
	rest := live.Begin(ctx, others, cfg.Rate/2, cfg.Away)
	what := strings.TrimSpace("all of " + service + " dead")
	if err := needs.NoneFailed(r, what+", "+cfg.Dead.What); err != nil {
		return err
	}
	if err := rest.NoneFailed(r, what+", who does not need it"); err != nil {
		return err
	}
	return live.Whole(ctx, cfg.Fleet, service, len(ready), ready...)
}
