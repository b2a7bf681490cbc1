package sagas

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/drill"
)

// drive is a drill under way.
type drive struct {
	cfg    Config
	keeper string // the service that has the saga
	flows  []begun
	known  map[string]bool  // ids of sagas that have been seen
	dead   map[string]int64 // messages that were parked before, by service and group
	visits uint64
	tally  tally
}

// Run crashes the fleet, which runs, at each boundary, and judges. It ends at the first
// that leaves something wrong, as what comes after it could not be told from that. Its
// error is a drill that could not be carried out; targets that did not hold are in the
// report.
func Run(ctx context.Context, cfg Config) (*drill.Report, error) {
	d := &drive{cfg: cfg.withDefaults(), known: map[string]bool{}, dead: map[string]int64{}, tally: newTally()}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	all, err := d.points(ctx)
	if err != nil {
		return nil, err
	}
	chosen := sampled(all, d.cfg.Sample, d.cfg.Seed)
	if err := d.crash(ctx, chosen); err != nil {
		return nil, err
	}
	return d.report(len(all), chosen), nil
}

// prepare finds who has the saga and how one is begun.
func (d *drive) prepare(ctx context.Context) (err error) {
	if d.keeper, err = d.owner(ctx); err != nil {
		return err
	}
	if len(d.cfg.Services) == 0 {
		d.cfg.Services = []string{d.keeper}
	}
	for _, service := range d.cfg.Services {
		if _, err := d.recorded(ctx, service); err != nil {
			return err
		}
	}
	if err := d.remember(ctx); err != nil {
		return fmt.Errorf("before anything was broken: %w", err)
	}
	return d.choose(ctx)
}

// points are where processes are crashed.
func (d *drive) points(ctx context.Context) (all []*point, err error) {
	if d.cfg.Only != nil {
		return d.only(*d.cfg.Only, d.cfg.Services)
	}
	for _, service := range d.cfg.Services {
		for _, f := range d.flows {
			some, err := d.record(ctx, service, f)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("nothing was recorded of %v: the load does not reach it", d.cfg.Services)
	}
	return all, nil
}

// crash goes through the points, those that were not come to again at the end, until one
// leaves something wrong.
func (d *drive) crash(ctx context.Context, chosen []*point) error {
	next, last := slices.Clone(chosen), time.Now()
	for n := 1; len(next) > 0; n++ {
		p := next[0]
		next = next[1:]
		if time.Since(last) > told {
			last = time.Now()
			d.cfg.Told(fmt.Sprintf("%d of %d crashed, %s so far; now %s", len(d.tally.crashed), len(chosen), d.tally.ends(), p))
		}
		reached, wrong, err := d.strike(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if reached {
			d.tally.crashed = append(d.tally.crashed, p)
		}
		if wrong != "" {
			d.tally.violated, d.tally.wrong = p, wrong
			return nil
		}
		if p.tried++; !reached && p.tried < tries {
			next = append(next, p)
		}
	}
	return nil
}
