package drill

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Replacer replaces the replicas of a service one after another by new ones.
type Replacer interface {
	// Replace returns how many replicas were replaced.
	Replace(ctx context.Context, service string) (int, error)
}

// RollingConfig says what is replaced, for how long and under which traffic.
type RollingConfig struct {
	Fleet    Replacer
	Services []string
	For      time.Duration
	Least    int // replacements that make the drill worth its name
	Flows    []Flow
}

// Rolling replaces services again and again under traffic, each service beside the
// others, and wants no request to fail.
func Rolling(ctx context.Context, cfg RollingConfig) *Report {
	r := &Report{Drill: "rolling"}
	traffic := Start(ctx, cfg.Flows...)
	end := time.Now().Add(cfg.For)
	counts := make([]int, len(cfg.Services))
	errs := make([]error, len(cfg.Services))
	var rolling sync.WaitGroup
	for i, service := range cfg.Services {
		rolling.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				n, err := cfg.Fleet.Replace(ctx, service)
				counts[i] += n
				if err != nil {
					errs[i] = fmt.Errorf("replace %s: %w", service, err)
					return
				}
			}
		})
	}
	rolling.Wait()
	traffic.Stop()

	total := 0
	for i, n := range counts {
		total += n
		r.Note("%s: %d replicas replaced", cfg.Services[i], n)
		if errs[i] != nil {
			r.Add("replacement of "+cfg.Services[i], "succeeds", errs[i], false)
		}
	}
	r.Add("replicas replaced", fmt.Sprintf(">= %d", cfg.Least), total, total >= cfg.Least)
	for _, t := range traffic.Tallies {
		t.Report(r)
	}
	return r
}
