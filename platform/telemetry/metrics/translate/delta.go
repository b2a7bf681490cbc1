package translate

import (
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// deltas sums up what comes as differences.
type deltas struct {
	max int

	turn    sync.Mutex // held while a request with deltas is translated and kept
	mu      sync.Mutex // guards what follows
	sums    map[uint64]*sum
	pending map[uint64]*sum // of the request whose turn it is
}

// sum is the sum of a series.
type sum struct {
	seen    int64 // the time of the last point, ms since 1970
	value   float64
	count   uint64
	bounds  []float64
	buckets []uint64
	native  *histogram.FloatHistogram
}

// begin waits for its turn, which ends with done.
func (d *deltas) begin() (done func(kept bool)) {
	d.turn.Lock()
	d.pending = map[uint64]*sum{}
	return func(kept bool) {
		defer d.turn.Unlock()
		if !kept {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		maps.Copy(d.sums, d.pending)
	}
}

// sum returns the sum of a series, to which the point at a time is to be added; it says
// why when it cannot be.
func (d *deltas) sum(series labels.Labels, at int64) (s *sum, why string) {
	key := series.Hash()
	if s = d.pending[key]; s == nil {
		d.mu.Lock()
		kept, full := d.sums[key], len(d.sums)+len(d.pending) >= d.max
		d.mu.Unlock()
		switch {
		case kept != nil:
			c := *kept
			s, c.buckets = &c, slices.Clone(kept.buckets)
		case full:
			return nil, "there are too many series of deltas: let the program send cumulative values (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative)"
		default:
			s = &sum{}
		}
		d.pending[key] = s
	}
	if at <= s.seen {
		return nil, "a delta that is not newer than the one before"
	}
	s.seen = at
	return s, ""
}

func (d *deltas) forget(before int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, s := range d.sums {
		if s.seen < before {
			delete(d.sums, key)
		}
	}
}

// hasDeltas reports whether a request has any.
func hasDeltas(req *colmetricspb.ExportMetricsServiceRequest) bool {
	const delta = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	for _, rm := range req.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if m.GetSum().GetAggregationTemporality() == delta || m.GetHistogram().GetAggregationTemporality() == delta ||
					m.GetExponentialHistogram().GetAggregationTemporality() == delta {
					return true
				}
			}
		}
	}
	return false
}
