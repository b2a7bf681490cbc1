// Package moves is the drills of addresses: every instance moves to another one, and the
// way from one service to another is cut.
package moves

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
)

// Addresses says who moves under which traffic.
type Addresses struct {
	Fleet    live.Fleet
	Services []string  // all of whose instances are replaced
	Rate     load.Rate // visits a second; 0 means 200
	Plan     load.Plan // what visitors do; its stages are the drill's
	For      time.Duration
}

// settle is of how much traffic at the new addresses the verdict is; of a short drill it
// is a third.
const settle = 3 * time.Second

// Readdress replaces every instance of some services by one at another address, once,
// while requests come.
func Readdress(ctx context.Context, cfg Addresses) (*drill.Report, error) {
	cfg.Rate = cmp.Or(cfg.Rate, 200)
	r := &drill.Report{Drill: "readdress", Seed: cfg.Plan.Seed}
	before, all := map[string]bool{}, 0
	for _, s := range cfg.Services {
		for _, i := range live.Instances(cfg.Fleet, s) {
			before[address(s, i.Port, i.GRPCPort)] = true
			all++
		}
	}
	traffic, end := []*live.Traffic{live.Begin(ctx, cfg.Plan, cfg.Rate, cfg.For)}, time.Now().Add(cfg.For)
	if err := live.Pause(ctx, live.Margin(cfg.For)); err != nil {
		return nil, err
	}
	began, moved := time.Now(), make(chan error, 1)
	go func() { moved <- cfg.move(ctx) }()
	err, moving := error(nil), true
	for moving {
		select {
		case err = <-moved:
			moving = false
		case <-time.After(time.Until(end)): // it takes longer than requests were to come
			traffic = append(traffic, live.Begin(ctx, cfg.Plan, cfg.Rate, settle))
			end = end.Add(settle)
		}
	}
	took := time.Since(began)
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return nil, err
	}
	kept, now := 0, 0
	for _, s := range cfg.Services {
		for _, i := range live.Ready(cfg.Fleet, s) {
			now++
			if before[address(s, i.Port, i.GRPCPort)] {
				kept++
				r.Note("%s is where an instance of %s was before", i.ID, s)
			}
		}
	}
	least, there := min(settle, cfg.For/3), time.Until(end)
	for i, t := range traffic {
		if err := t.NoneFailed(r, []string{"every instance at a new address", "while they still moved"}[min(i, 1)]); err != nil {
			return nil, err
		}
	}
	if there < least { // requests came until all had moved, and not long enough after
		if err := live.Begin(ctx, cfg.Plan, cfg.Rate, least).NoneFailed(r, "after that"); err != nil {
			return nil, err
		}
		there = least
	}
	r.Add("instances at a new address", fmt.Sprintf("all %d", all), fmt.Sprintf("%d, after %s", now-kept, took.Round(100*time.Millisecond)), kept == 0 && now == all && all > 0)
	r.Add("traffic at the new addresses", ">= "+least.Round(100*time.Millisecond).String(), there.Round(100*time.Millisecond), there >= least)
	return r, nil
}

// move replaces every instance, all services at the same time.
func (cfg *Addresses) move(ctx context.Context) error {
	errs := make([]error, len(cfg.Services))
	var moving sync.WaitGroup
	for i, service := range cfg.Services {
		moving.Go(func() {
			if err := cfg.Fleet.Replace(ctx, service); err != nil {
				errs[i] = fmt.Errorf("replace %s: %w", service, err)
			}
		})
	}
	moving.Wait()
	return errors.Join(errs...)
}

func address(service string, http, grpc int) string { return fmt.Sprint(service, " ", http, " ", grpc) }
