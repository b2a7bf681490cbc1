package muster

import (
	"context"
	"log/slog"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/quota"
)

// followLimits has k hold callers to what is said of the service in the registry, until ctx
// ends. Each instance keeps to its part: the limits are those of all that are ready.
// A text that cannot be read changes nothing.
func followLimits(ctx context.Context, view *discovery.View, k *quota.Keeper, log *slog.Logger) {
	var limits quota.Limits
	for {
		changed := view.Changed()
		if said, err := policy.Parse(view.Settings()); err != nil {
			log.Warn("what callers may ask of this service cannot be read; it stays as it was", "error", err)
		} else {
			limits = said.Limits
		}
		ready := 0
		for _, in := range view.Instances() {
			if in.State == discovery.Ready {
				ready++
			}
		}
		k.Set(limits, ready)
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
