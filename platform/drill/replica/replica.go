package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
)

// Config says how the drill is held. Only Command is needed.
type Config struct {
	Command stage.Command // how this program runs a stage
	For     time.Duration // of all rounds together, at least one of each policy; 0 means 120 s
	Seed    uint64        // of arrivals; 0: any
	Rate    float64       // requests a second; 0 means 735

	warm, counted time.Duration // of a round; 0 means 3 s, not counted, and 7 s
	maxLag        time.Duration // voids a round; 0 means 5 ms, above [load.MaxLag] and far below what is compared
}

// What the simulator takes, see call/balance/balancetest, but for the time of the work.
const (
	replicas = 10
	workers  = 4
	slow     = 0.2 // speed of the slow replica
	utilised = 0.8 // of what all replicas can do together
	callers  = 20  // each with a memory of its own

	// deadlineWorks makes the deadline the 100-fold of the work, as simulated: who has no
	// answer by then counts as if it had come then.
	deadlineWorks = 100

	service = "replica"
)

// Run compares the policies with one of ten replicas five times slower than the others.
func Run(ctx context.Context, cfg Config) (*drill.Report, error) {
	cfg = cfg.filled()
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1 << 32)
	}
	f, err := stage.Start(ctx, stage.Services{{
		Name: service, Replicas: replicas,
		// without admission, as what is compared is who is chosen
		Config: stage.Config{Workers: workers, Work: cfg.work(), Random: true, Open: true},
	}}, cfg.Command)
	if err != nil {
		return nil, err
	}
	policies, err := cfg.measure(ctx, f)
	if err := errors.Join(err, ctx.Err(), f.Close()); err != nil {
		return nil, err
	}
	return cfg.judge(policies), nil
}

func (cfg Config) filled() Config {
	cfg.For = cmp.Or(cfg.For, 2*time.Minute)
	cfg.Rate = cmp.Or(cfg.Rate, 735)
	cfg.warm, cfg.counted = cmp.Or(cfg.warm, 3*time.Second), cmp.Or(cfg.counted, 7*time.Second)
	cfg.maxLag = cmp.Or(cfg.maxLag, 5*time.Millisecond)
	return cfg
}

// work is the mean of what a request takes at full speed.
func (cfg Config) work() time.Duration {
	whole := replicas - 1 + slow
	return time.Duration(utilised * whole * workers / cfg.Rate * float64(time.Second))
}

func (cfg Config) deadline() time.Duration { return deadlineWorks * cfg.work() }

// rounds is how often each policy has its turn.
func (cfg Config) rounds() int {
	return max(1, int(cfg.For/(cfg.warm+cfg.counted)/time.Duration(len(names()))))
}

func (cfg Config) measure(ctx context.Context, f *stage.Fleet) ([]*policy, error) {
	addrs := f.Addresses(service)
	if len(addrs) != replicas {
		return nil, fmt.Errorf("%d of %d replicas run", len(addrs), replicas)
	}
	if err := f.SetSpeed(ctx, addrs[0], slow); err != nil {
		return nil, err
	}
	registry, err := discovery.NewClient(discovery.ClientConfig{URL: f.Control})
	if err != nil {
		return nil, err
	}
	defer registry.Close()
	if err := known(ctx, registry.View(service)); err != nil {
		return nil, err
	}
	policies := cfg.policies(registry, addrs)
	defer func() {
		for _, p := range policies {
			p.close()
		}
	}()
	left := cfg.spare()
	for round := range cfg.rounds() {
		for i := range policies {
			p := policies[(i+round)%len(policies)] // nobody always follows the same other
			if err := cfg.turn(ctx, f, p, round, &left); err != nil {
				return nil, err
			}
		}
	}
	return policies, nil
}

// again is how often a round is held anew in which the generator was late: what it
// measured was the machine.
const again = 3

// spare is how many rounds of all policies together may be held anew: on a machine that
// stays busy the drill is to end all the same, half as late again at most.
func (cfg Config) spare() int { return cfg.rounds() * len(names()) / 2 }

// turn is one round of a policy that counts; left is what may still be held anew.
func (cfg Config) turn(ctx context.Context, f *stage.Fleet, p *policy, round int, left *int) error {
	for repeats := 0; ; repeats++ {
		if err := idle(ctx, f); err != nil {
			return err
		}
		if void, err := cfg.round(ctx, p, round); !void || err != nil {
			return err
		}
		if repeats == again || *left == 0 {
			p.lost++
			return nil
		}
		*left--
	}
}

// round has visitors call by one policy. It reports whether the generator was late; then
// nothing of it counts.
func (cfg Config) round(ctx context.Context, p *policy, round int) (void bool, err error) {
	began := time.Now()
	met := &visits{}
	r, err := load.Run(ctx, load.Plan{
		Seed: cfg.Seed + uint64(round), Timeout: cfg.deadline(), InFlight: 20_000, //nolint:gosec // not negative
		Stages: []load.Stage{{Rate: load.Rate(cfg.Rate), For: cfg.warm + cfg.counted}},
		Flows:  []load.Flow{{Steps: []load.Step{{Call: p.call}}}},
	}, load.Config{MaxLag: cfg.maxLag, Each: func(s load.Sample) {
		if !s.Cut && s.Intended.Sub(began) >= cfg.warm {
			met.note(s, cfg.deadline())
		}
	}})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return false, err
	}
	p.lag = max(p.lag, r.Lag.P99)
	if r.Void != "" {
		p.void++
		return true, nil
	}
	p.take(met)
	for _, f := range r.Failures {
		p.failures[f]++
	}
	return false, nil
}

// known waits until the registry has told of all replicas.
func known(ctx context.Context, view *discovery.View) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		changed := view.Changed()
		if len(view.Instances()) == replicas {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the registry knows %d of %d replicas: %w", len(view.Instances()), replicas, ctx.Err())
		}
	}
}

// idle waits until nothing of the round before is left: each is to begin alike.
func idle(ctx context.Context, f *stage.Fleet) error {
	for {
		c, err := f.Counts(ctx, service)
		if err != nil || c.Inside == 0 {
			return err
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
