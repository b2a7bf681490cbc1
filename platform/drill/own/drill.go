package own

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/down"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/drill/moves"
	"github.com/musterdev/muster/platform/drill/outage"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
)

// patience is how long visitors wait when their file does not say: longer than a call
// takes at most, so that it is the fleet that answers.
const patience = 20 * time.Second

// Terms are what a drill is given besides its fleet.
type Terms struct {
	For      time.Duration // how long something is broken
	Rate     load.Rate     // visits a second; 0 means the most that the load file has
	Seed     uint64        // of arrivals and choices
	Services []string      // whose replicas are broken; none: all that the drill can break
}

// Drill is a drill on a fleet that is checked and not yet started.
type Drill struct {
	Edges *fault.Edges // to stand before the fleet's registry; nil: none need be
	run   func(context.Context, *local.Fleet) (*drill.Report, error)
}

// Run breaks the fleet, which runs, and judges. Its error is a drill that could not be
// carried out; targets that did not hold are in the report.
func (d *Drill) Run(ctx context.Context, up *local.Fleet) (*drill.Report, error) {
	return d.run(ctx, up)
}

// ready returns the plan and its rate as the terms have them.
func (f *Fleet) ready(t Terms) (load.Plan, load.Rate) {
	p := f.plan
	p.Seed = cmp.Or(t.Seed, p.Seed)
	p.Timeout = cmp.Or(p.Timeout, patience)
	p.InFlight = cmp.Or(p.InFlight, 2000)
	return p, cmp.Or(t.Rate, peak(p))
}

// Fits returns nil, or a [muster.ErrConfig] when more visitors would come than a load may
// have.
func (f *Fleet) Fits(t Terms) error { return f.fits(t, 1) }

func (f *Fleet) fits(t Terms, times load.Rate) error {
	plan, rate := f.ready(t)
	plan.Stages = []load.Stage{{Rate: times * rate, For: t.For + 2*live.Margin(t.For)}}
	if err := plan.Validate(); err != nil {
		return mistakef("%s a second for %s: %w", times*rate, t.For, err)
	}
	return nil
}

// peak is the highest rate of a plan.
func peak(p load.Plan) (most load.Rate) {
	for _, s := range p.Stages {
		most = max(most, s.Rate, s.End())
	}
	return most
}

// ServiceDown kills one replica of a service by SIGKILL, then stops one for t.For, so that
// it keeps its connections and says nothing: one service after the other.
func (f *Fleet) ServiceDown(t Terms) (*Drill, error) {
	services, err := f.replicated(t.Services)
	if err != nil {
		return nil, err
	}
	return &Drill{run: func(ctx context.Context, up *local.Fleet) (*drill.Report, error) {
		plan, rate := f.ready(t)
		return f.used(ctx, up, services, func() (*drill.Report, error) {
			return down.Run(ctx, down.Config{
				Fleet: up, Rate: rate, Plan: plan, Kill: services, Stall: services, Stalled: t.For, Away: min(3*time.Second, t.For),
			})
		})
	}}, nil
}

// RegistryDown keeps the registry dead for t.For while replicas restart, and then lets
// four of five replicas of one service die.
func (f *Fleet) RegistryDown(t Terms) (*Drill, error) {
	services, err := f.replicated(t.Services)
	if err != nil {
		return nil, err
	}
	return &Drill{run: func(ctx context.Context, up *local.Fleet) (*drill.Report, error) {
		plan, rate := f.ready(t)
		registry, err := discovery.NewClient(discovery.ClientConfig{URL: up.ControlURL})
		if err != nil {
			return nil, err
		}
		defer registry.Close()
		return f.used(ctx, up, services, func() (*drill.Report, error) {
			return outage.Run(ctx, outage.Config{
				Fleet: up, Catalog: registry.Catalog, Rate: rate, Plan: plan, For: t.For, Restart: services, Shrink: services[0],
			})
		})
	}}, nil
}

// Readdress moves every instance of some services to another address, all unless t says
// which, while requests come for t.For.
func (f *Fleet) Readdress(t Terms) (*Drill, error) {
	if err := f.known(t.Services...); err != nil {
		return nil, err
	}
	var services, left []string
	for _, s := range f.spec.Services {
		chosen := len(t.Services) == 0
		for _, name := range t.Services {
			chosen = chosen || name == s.Name
		}
		stays := s.Port != 0 || s.GRPCPort != 0 || s.StablePort
		switch {
		case chosen && !stays && s.Replicas > 0:
			services = append(services, s.Name)
		case chosen && s.Replicas == 0 && len(t.Services) > 0:
			return nil, mistakef("service %s has 0 replicas: there is nobody to move; write \"replicas: 1\"", s.Name)
		case chosen && stays && len(t.Services) > 0:
			return nil, mistakef("service %s cannot move: muster.yaml says its port, or others refer to it by its address", s.Name)
		case chosen && stays:
			left = append(left, s.Name)
		}
	}
	if len(services) == 0 {
		return nil, mistakef("no service of the fleet can move: muster.yaml says their ports, others refer to them by address, or they have 0 replicas")
	}
	return &Drill{run: func(ctx context.Context, up *local.Fleet) (*drill.Report, error) {
		plan, rate := f.ready(t)
		r, err := moves.Readdress(ctx, moves.Addresses{Fleet: up, Services: services, Rate: rate, Plan: plan, For: t.For})
		if err == nil {
			for _, name := range left {
				r.Note("%s stays: muster.yaml says its port, or others refer to it by its address", name)
			}
		}
		return r, err
	}}, nil
}

// phase lets visitors come for so long and returns what became of them.
func phase(ctx context.Context, plan load.Plan, rate load.Rate, length time.Duration) (load.Result, error) {
	got, err := live.Begin(ctx, plan, rate, length).End()
	if err == nil {
		err = ctx.Err()
	}
	return got, err
}

// answered says which share of the visits offered was answered, as a report has it.
func answered(got load.Result) (share float64, text string) {
	share = float64(got.OK) / float64(max(1, got.Offered))
	return share, fmt.Sprintf("%.4g %% (%d of %d)", 100*share, got.OK, got.Offered)
}

// row adds that at least a share of the visits was answered.
func row(r *drill.Report, what string, least float64, got load.Result) {
	share, text := answered(got)
	r.Add(what, fmt.Sprintf(">= %.4g %%", 100*least), text, got.Offered > 0 && share >= least && got.Void == "")
	live.Tell(r, what, got)
}
