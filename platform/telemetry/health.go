package telemetry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// Health tells what came in and what became of it.
func (t *Telemetry) Health() query.Health {
	counts, stats := t.receiver.Counts(), t.Metrics.Stats()
	h := query.Health{
		Since: float64(t.since.UnixMilli()), Signals: map[string]query.SignalHealth{}, Services: map[string]query.ServiceHealth{},
		Usage: t.Store.Usage(), Series: stats.Series, Notes: notes(counts, stats, t.Metrics.Cardinality()),
	}
	for signal, c := range counts.Signals {
		one := query.SignalHealth{Received: c.Received, Stored: c.Stored, Dropped: map[string]int64{}, Returned: c.Returned}
		maps.Copy(one.Dropped, c.Dropped)
		h.Signals[signal] = one
	}
	for service, signals := range counts.Services {
		one := query.ServiceHealth{Received: map[string]int64{}, Dropped: map[string]int64{}}
		for signal, c := range signals {
			one.Received[signal] = c.Received
			for why, n := range c.Dropped {
				one.Dropped[signal+": "+why] = n
			}
		}
		h.Services[service] = one
	}
	if last := t.full.Load(); last != nil {
		h.Notes = append([]string{"the disk was full, last at " + last.UTC().Format("15:04:05 MST of 2 Jan") + ": free some, or keep telemetry for less long"}, h.Notes...)
	}
	if t.export != nil {
		h.Export = t.exported()
	}
	return h
}

// refused says what became of requests that were not taken, by otlp's word for it.
var refused = map[string]string{
	"throttled":   "were told to come again later, for too much was being worked on: what their senders gave up is not here",
	"malformed":   "could not be read as OTLP, and what was in them is not counted",
	"unsupported": "were in a form that is not taken, and what was in them is not counted",
	"too large":   "were larger than is taken at once: their senders must send smaller batches",
	"aborted":     "ended before they were here in full",
}

// notes say in words what a person should know.
func notes(counts otlp.Counts, stats metrics.Stats, cardinality []metrics.Cardinality) []string {
	list := []string{}
	for _, signal := range slices.Sorted(maps.Keys(counts.Signals)) {
		c := counts.Signals[signal]
		if signal == otlp.Points { // the metrics' store knows better why it rejected them
			c.Dropped = maps.Clone(c.Dropped)
			delete(c.Dropped, otlp.DropRejected)
		}
		list = append(list, dropped(signal, c.Dropped)...)
		if c.Returned > 0 {
			list = append(list, fmt.Sprintf("%d %s were not taken at once, and their senders asked to send them again", c.Returned, signal))
		}
	}
	list = append(list, dropped("points of metrics", stats.Rejected)...)
	for _, why := range slices.Sorted(maps.Keys(refused)) {
		if n := counts.Requests[why]; n > 0 {
			list = append(list, fmt.Sprintf("%d requests %s", n, refused[why]))
		}
	}
	for _, what := range slices.Sorted(maps.Keys(counts.Repaired)) {
		list = append(list, fmt.Sprintf("%d were kept after something was made right: %s", counts.Repaired[what], what))
	}
	for _, c := range cardinality {
		if c.Rejected > 0 {
			list = append(list, fmt.Sprintf("%s has %d series of metrics and no room for more: a label of its metrics has too many values", c.Service, c.Series))
		}
	}
	return list
}

// dropped tells of what was dropped, the most frequent reason first.
func dropped(what string, by map[string]int64) []string {
	var list []string
	reasons := slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	for _, why := range reasons {
		if by[why] > 0 {
			list = append(list, fmt.Sprintf("%d %s were dropped: %s", by[why], what, why))
		}
	}
	return list
}

// exported tells how the copy to another backend fares.
func (t *Telemetry) exported() *query.ExportHealth {
	h := t.export.Health()
	return &query.ExportHealth{Endpoint: h.Endpoint, Sent: h.Sent, Dropped: h.Dropped, Waiting: h.Waiting, Error: h.Error}
}
