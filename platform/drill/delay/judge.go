package delay

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load/latency"
)

// What each way is to win. A trip is the round trip that the delay makes.
const (
	leastTrips  = 9    // of 10 look-ups one by one, or the delay was not there
	leastPooled = 8    // saved by keeping connections, of the 10 that 10 connections take
	mostCached  = 0.5  // trips of 10 cached look-ups
	mostLoads   = 1    // calls of a page of cached look-ups, on the mean, the first ones included
	mostBatched = 1.5  // trips of 10 batched look-ups
	mostCalls   = 3    // calls of a page of them, on the mean
	mostPacked  = 0.4  // of the transfer without compression
	mostLeft    = 0.5  // trips of a note left with the broker
	mostNear    = 1    // trips of 10 look-ups in the same zone
	mostWhole   = 0.25 // of the whole page without anything, with all but placement
)

func (cfg Config) judge(found finding) *drill.Report {
	r := &drill.Report{Drill: "network-delay", Seed: cfg.Seed}
	p50 := func(way string) time.Duration { return found.of(way).Response.P50 }
	trips := func(d time.Duration) float64 { return float64(d) / float64(cfg.trip()) }
	calls := func(way string) float64 { return float64(found.calls[way]) / float64(max(1, found.of(way).Requests)) }
	seen := func(way string) bool { return found.ok(way) > 0 }
	in := func(way string) string {
		return fmt.Sprintf("%.2f (%s)", trips(p50(way)), latency.Short(p50(way)))
	}

	r.Add("pages that failed", "0", fmt.Sprintf("%d of %d", found.result.Failed+found.result.Dropped, found.result.Offered),
		found.result.Failed+found.result.Dropped == 0 && found.result.OK > 0)
	r.Add("nothing done: 10 look-ups, in round trips", fmt.Sprintf(">= %d", leastTrips), in(oneByOne), seen(oneByOne) && trips(p50(oneByOne)) >= leastTrips)
	saved := trips(p50(newConnections) - p50(oneByOne))
	r.Add("pooling: round trips saved", fmt.Sprintf(">= %d", leastPooled), fmt.Sprintf("%.2f", saved), seen(newConnections) && saved >= leastPooled)
	r.Add("caching: 10 look-ups, in round trips", fmt.Sprintf("<= %g", mostCached), in(nearCache), seen(nearCache) && trips(p50(nearCache)) <= mostCached)
	r.Add("caching: calls a page", fmt.Sprintf("<= %d", mostLoads), fmt.Sprintf("%.2f", calls(nearCache)), seen(nearCache) && calls(nearCache) <= mostLoads)
	r.Add("batching: 10 look-ups, in round trips", fmt.Sprintf("<= %g", mostBatched), in(batched), seen(batched) && trips(p50(batched)) <= mostBatched)
	r.Add("batching: calls a page", fmt.Sprintf("<= %d", mostCalls), fmt.Sprintf("%.2f, and %.2f without", calls(batched), calls(atOnce)), seen(batched) && calls(batched) <= mostCalls)
	before, after := p50(plain)-cfg.trip(), p50(packed)-cfg.trip()
	share := float64(after) / float64(max(1, before))
	r.Add("compression: transfer of 100 KB, of that without", fmt.Sprintf("<= %g", mostPacked),
		fmt.Sprintf("%.2f (%s, %s)", share, latency.Short(after), latency.Short(before)), seen(packed) && before > 0 && share <= mostPacked)
	r.Add("events: what a visitor waits for a note, in round trips", fmt.Sprintf("<= %g", mostLeft), in(event)+", "+in(wait)+" without",
		seen(event) && trips(p50(event)) <= mostLeft)
	accepted := found.ok(event) + found.ok(farAll) + found.ok(nearAll)
	r.Add("events: notes that came, of those left", fmt.Sprint(accepted), found.notes, accepted > 0 && found.notes >= accepted)
	r.Add("placement: 10 look-ups, in round trips", fmt.Sprintf("<= %d", mostNear), in(sameZone), seen(sameZone) && trips(p50(sameZone)) <= mostNear)
	whole := float64(p50(farAll)) / float64(max(1, p50(nothing)))
	r.Add("all but placement: the whole page, of that with nothing", fmt.Sprintf("<= %g", mostWhole),
		fmt.Sprintf("%.2f (%s, %s)", whole, latency.Short(p50(farAll)), latency.Short(p50(nothing))), seen(farAll) && whole <= mostWhole)
	r.Add("all: the whole page, in round trips", fmt.Sprintf("<= %d", mostNear), in(nearAll), seen(nearAll) && trips(p50(nearAll)) <= mostNear)
	r.Add("without the delay: 10 look-ups", "< "+cfg.trip().String(), latency.Short(found.without), found.without > 0 && found.without < cfg.trip())
	r.Add("ways proven clean", ">= 2", len(found.proofs), len(found.proofs) >= 2)
	r.Add("the generator kept time", "p99 <= "+cfg.maxLag.String(), latency.Short(found.result.Lag.P99), found.result.Void == "")

	for _, w := range ways() {
		q := found.of(w.name)
		r.Note("%s: p50 %s, p99 %s, %.1f calls a page; %s; %d pages", w.name, latency.Short(q.Response.P50), latency.Short(q.Response.P99), calls(w.name), w.what, q.Requests)
	}
	r.Note("the way between: %s each direction, %d bytes a second a connection, %s more for a new connection", cfg.Delay, cfg.Bandwidth, cfg.trip())
	for _, f := range found.result.Failures {
		r.Note("%s", f)
	}
	for _, p := range found.proofs {
		r.Note("%s", p)
	}
	return r
}
