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

const (
	warm   = 2 * time.Second
	settle = 3 * time.Second // of traffic at the new addresses
)

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
	traffic := live.Begin(ctx, cfg.Plan, cfg.Rate, cfg.For)
	if err := live.Pause(ctx, warm); err != nil {
		return nil, err
	}
	began, errs := time.Now(), make([]error, len(cfg.Services))
	var moving sync.WaitGroup
	for i, service := range cfg.Services {
		moving.Go(func() {
			if err := cfg.Fleet.Replace(ctx, service); err != nil {
				errs[i] = fmt.Errorf("replace %s: %w", service, err)
			}
		})
	}
	moving.Wait()
	took := time.Since(began)
	if err := cmp.Or(ctx.Err(), errors.Join(errs...)); err != nil {
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
	if err := traffic.NoneFailed(r, "every instance at a new address"); err != nil {
		return nil, err
	}
	r.Add("instances at a new address", fmt.Sprintf("all %d", all), fmt.Sprintf("%d, after %s", now-kept, took.Round(100*time.Millisecond)), kept == 0 && now == all && all > 0)
	r.Add("traffic at the new addresses", ">= "+settle.String(), (cfg.For - warm - took).Round(100*time.Millisecond), cfg.For-warm-took >= settle)
	return r, nil
}

func address(service string, http, grpc int) string { return fmt.Sprint(service, " ", http, " ", grpc) }
