package telemetry

import (
	"slices"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/otlp"
)

func TestNotes(t *testing.T) {
	got := notes(
		otlp.Counts{
			Signals: map[string]otlp.Count{
				otlp.Spans:  {Received: 9, Stored: 4, Dropped: map[string]int64{otlp.DropClock: 2, otlp.DropID: 3, otlp.DropLarge: 0}, Returned: 7},
				otlp.Points: {Received: 9, Stored: 3, Dropped: map[string]int64{otlp.DropRejected: 5, otlp.DropServices: 1}},
			},
			Repaired: map[string]int64{"an attribute was cut": 1},
			Requests: map[string]int64{"taken": 5, "throttled": 2, "malformed": 1},
		},
		metrics.Stats{Rejected: map[string]int64{"too old": 5}},
		[]metrics.Cardinality{{Service: "web", Series: 100, Limit: 100, Rejected: 1}, {Service: "cart", Series: 3}},
	)
	want := []string{
		"1 points were dropped: too many services",
		"3 spans were dropped: invalid id",
		"2 spans were dropped: clock",
		"7 spans were not taken at once, and their senders asked to send them again",
		"5 points of metrics were dropped: too old",
		"1 requests could not be read as OTLP, and what was in them is not counted",
		"2 requests were told to come again later, for too much was being worked on: what their senders gave up is not here",
		"1 were kept after something was made right: an attribute was cut",
		"web has 100 series of metrics and no room for more: a label of its metrics has too many values",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if none := notes(otlp.Counts{Requests: map[string]int64{"taken": 5}}, metrics.Stats{}, nil); none == nil || len(none) > 0 {
		t.Errorf("where all is well there is nothing to say, not %q", none)
	}
}
