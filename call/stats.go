package call

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/seen"
)

// Report has a meter tell how the caller's calls stand; see [seen.Report]. It is called
// once.
func (c *Caller) Report(meter metric.Meter) error { return seen.Report(meter, c.Stats) }

// Stats returns how the calls to each service stand that was called so far, by name.
func (c *Caller) Stats() []seen.Service {
	pools := slices.SortedFunc(maps.Values(c.pools.All()), func(a, b *pool.Pool) int { return cmp.Compare(a.Service, b.Service) })
	out := make([]seen.Service, len(pools))
	now := time.Now()
	for i, p := range pools {
		out[i] = p.Stats(now)
		for key, l := range c.links.All() {
			if c := out[i].Connections; c != nil && key.service == p.Service && l.Waits != nil {
				l.Waits.Add(c) // also those of a bound that was another before
			}
		}
	}
	return out
}
