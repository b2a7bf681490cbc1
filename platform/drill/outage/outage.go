// Package outage is the drill of the registry that is gone: calls go on while services
// restart without it, and when it is back it lists nobody who is dead.
package outage

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
)

// Config says how long the registry is gone and what happens meanwhile.
type Config struct {
	Fleet   live.Fleet
	Engine  string                                               // the registry's process; "" means control
	Catalog func(ctx context.Context) (discovery.Catalog, error) // what the registry lists
	Rate    load.Rate                                            // visits a second; 0 means 200
	Plan    load.Plan                                            // what visitors do, of what may be repeated; its stages are the drill's
	For     time.Duration                                        // how long the registry is gone
	Restart []string                                             // services of whom a replica restarts meanwhile, again and again
	// Shrink is the service that loses most of its replicas when the registry is back; "":
	// that is left out.
	Shrink string
	From   int // replicas of it before; 0 means 5
}

const (
	back  = 5 * time.Second  // how soon the registry must be ready when it may start again
	ghost = 10 * time.Second // how long a dead instance may be listed
	every = time.Second      // between two restarts of a service
	kept  = 5                // of so many replicas one is left: four in five die
)

// Run takes the registry away and reports what was seen.
func Run(ctx context.Context, cfg Config) (*drill.Report, error) {
	cfg.Engine, cfg.From, cfg.Rate = cmp.Or(cfg.Engine, "control"), cmp.Or(cfg.From, kept), cmp.Or(cfg.Rate, 200)
	r := &drill.Report{Drill: "registry-down", Seed: cfg.Plan.Seed}
	if err := cfg.away(ctx, r); err != nil {
		return nil, err
	}
	if cfg.Shrink == "" {
		return r, nil
	}
	return r, cfg.shrink(ctx, r)
}

// away keeps the registry dead while services restart.
func (cfg *Config) away(ctx context.Context, r *drill.Report) error {
	margin := live.Margin(cfg.For)
	traffic := live.Begin(ctx, cfg.Plan, cfg.Rate, margin+cfg.For+min(back, cfg.For))
	if err := live.Pause(ctx, margin); err != nil {
		return err
	}
	victim, _ := live.Engine(cfg.Fleet, cfg.Engine)
	lives := func() bool { _, ok := live.Engine(cfg.Fleet, cfg.Engine, victim); return ok }
	if err := cfg.Fleet.KillFor(cfg.Engine, cfg.For); err != nil {
		return err
	}
	began := time.Now()
	until, cancel := context.WithDeadline(ctx, began.Add(cfg.For))
	defer cancel()
	counts := make([]int, len(cfg.Restart))
	var restarting sync.WaitGroup
	for i, service := range cfg.Restart {
		restarting.Go(func() { counts[i] = cfg.restart(until, service) })
	}
	seen := time.Duration(0)
	for live.Pause(until, 20*time.Millisecond) == nil {
		if lives() {
			seen += 20 * time.Millisecond
		}
	}
	took, ready := live.Until(ctx, back, lives)
	restarting.Wait()
	if err := traffic.NoneFailed(r, "registry gone for "+cfg.For.String()); err != nil {
		return err
	}
	r.Add(cfg.Engine+" dead", "> 95 % of "+cfg.For.String(), (cfg.For - seen).Round(10*time.Millisecond), seen < cfg.For/20)
	r.Add(cfg.Engine+" ready again", "within "+back.String(), took.Round(10*time.Millisecond), ready)
	total, least := 0, len(cfg.Restart) // each at least once
	for i, n := range counts {
		total += n
		r.Note("%s: %d replicas killed and started again without the registry", cfg.Restart[i], n)
		least = min(least, least*n)
	}
	r.Add("restarts meanwhile", fmt.Sprintf(">= %d", len(cfg.Restart)), total, least == len(cfg.Restart))
	return ctx.Err()
}

// restart kills one replica of a service after another and waits until each is back.
func (cfg *Config) restart(ctx context.Context, service string) (n int) {
	all := len(live.Ready(cfg.Fleet, service))
	for i := 0; live.Pause(ctx, every) == nil; i++ {
		ready := live.Ready(cfg.Fleet, service)
		if len(ready) < all || len(ready) < 2 {
			continue // one is away still
		}
		victim := ready[i%len(ready)]
		if cfg.Fleet.KillFor(victim.ID, 0) == nil && live.Whole(ctx, cfg.Fleet, service, all, victim) == nil {
			n++
		}
	}
	return n
}

// shrink kills four of five replicas at once, as a machine's death would.
func (cfg *Config) shrink(ctx context.Context, r *drill.Report) error {
	if err := cfg.Fleet.Scale(ctx, cfg.Shrink, cfg.From); err != nil {
		return err
	}
	if _, ok := live.Until(ctx, 20*time.Second, func() bool { return cfg.listed(ctx) == cfg.From }); !ok {
		return fmt.Errorf("registry-down: the registry lists %d of %d replicas of %s", cfg.listed(ctx), cfg.From, cfg.Shrink)
	}
	die := live.Ready(cfg.Fleet, cfg.Shrink)[max(1, cfg.From/kept):]
	for _, i := range die {
		if err := cfg.Fleet.KillFor(i.ID, time.Minute); err != nil {
			return err
		}
	}
	began := time.Now()
	_, ok := live.Until(ctx, ghost, func() bool { return cfg.listed(ctx) == cfg.From-len(die) })
	r.Add(fmt.Sprintf("kill -9 of %d of %d of %s: listed by the registry", len(die), cfg.From, cfg.Shrink),
		fmt.Sprintf("%d, within %s", cfg.From-len(die), ghost), fmt.Sprintf("%d after %s", cfg.listed(ctx), time.Since(began).Round(10*time.Millisecond)), ok)
	return ctx.Err()
}

// listed returns how many instances of the service the registry lists; -1 when it does
// not answer.
func (cfg *Config) listed(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := cfg.Catalog(ctx)
	if err != nil {
		return -1
	}
	return len(c.Services[cfg.Shrink])
}
