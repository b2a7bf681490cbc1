// Package translate makes Prometheus' samples of OpenTelemetry's metrics, after the
// OpenTelemetry specification "Prometheus and OpenMetrics Compatibility", as Prometheus'
// own OTLP receiver does it by default: names with unit and type, without characters
// that PromQL would need quotes for, and the scope left out.
//
// What it does otherwise: deltas are summed up, for Prometheus knows cumulative values
// only; and it tells when a counter that is new was certainly zero, so that its first
// increase is seen by rate().
package translate

import (
	"math"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// Config tells how it is done.
type Config struct {
	Namespace string        // the service.namespace that is left out of job
	Ahead     time.Duration // how far ahead of our clock a point may be
	MaxDeltas int           // how many series of deltas are summed up at most
}

// Translator makes samples of points. It remembers the sums of deltas. Its methods may
// be called concurrently.
type Translator struct {
	cfg    Config
	deltas deltas

	mu     sync.Mutex
	cycles map[string]cycle // by job and instance
}

// New makes a Translator.
func New(cfg Config) *Translator {
	return &Translator{cfg: cfg, deltas: deltas{max: cfg.MaxDeltas, sums: map[uint64]*sum{}}, cycles: map[string]cycle{}}
}

// Points calls yield with each point of a request, in its order, those that must be
// refused too, and meta with each family. The point is yield's until it returns. done
// must be called at the end, with whether the points were kept: if not, the same request
// may come again.
func (t *Translator) Points(req *colmetricspb.ExportMetricsServiceRequest, now time.Time, yield func(*sample.Point), meta func(family string, m sample.Meta)) (done func(kept bool)) {
	done = func(bool) {}
	if hasDeltas(req) { // rare: what they need must not be in every program's way
		done = t.deltas.begin()
	}
	whole := false
	defer func() {
		if !whole { // a panic must not keep the turn: nobody would get another
			done(false)
		}
	}()
	for _, rm := range req.GetResourceMetrics() {
		r := t.resource(rm.GetResource(), now)
		r.yield = yield
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if r.metric(m) {
					meta(r.family, r.meta)
				}
			}
		}
		if r.target(rm.GetResource()) {
			meta(r.family, sample.Meta{Type: model.MetricTypeGauge, Help: "Target metadata"})
		}
	}
	whole = true
	return done
}

// Forget drops what was remembered of series that had no point since a time.
func (t *Translator) Forget(before time.Time) {
	t.deltas.forget(before.UnixMilli())
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, c := range t.cycles {
		if c.last < before.UnixMilli() {
			delete(t.cycles, key)
		}
	}
}

// cycle is when an instance last sent its metrics, in ms since 1970. What it sends at
// once may come in several requests, the times a little apart.
type cycle struct{ last, before int64 }

const (
	oneCycle  = 500 // ms: points so close are of one collection
	mostTimes = 20_000
)

// since returns the time of the collection before that of a point, 0 when there was none.
func (t *Translator) since(key string, at int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, known := t.cycles[key]
	if !known && len(t.cycles) >= mostTimes {
		return 0
	}
	if at-c.last >= oneCycle {
		c.before, c.last = c.last, at
		t.cycles[key] = c
	}
	return c.before
}

// resource is who sends, and the metric that is being translated.
type resource struct {
	t       *Translator
	now     time.Time
	yield   func(*sample.Point)
	service string
	job     string
	inst    string
	latest  int64 // the time of the newest point, ms since 1970

	family  string
	meta    sample.Meta
	counter bool  // what grows only
	zero    int64 // when it was, ms since 1970; 0: nobody knows
	delta   bool
	point   sample.Point
	attrs   []labels.Label // of the point
	ls      labels.ScratchBuilder
}

// metric translates one metric; it reports whether the family has a name.
func (r *resource) metric(m *metricspb.Metric) bool {
	kind, temporality := otlptranslator.MetricType(otlptranslator.MetricTypeUnknown), metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	r.counter = false
	r.meta = sample.Meta{Help: m.GetDescription(), Unit: (&otlptranslator.UnitNamer{}).Build(m.GetUnit()), Type: model.MetricTypeUnknown}
	switch d := m.GetData().(type) {
	case *metricspb.Metric_Gauge:
		kind, r.meta.Type = otlptranslator.MetricTypeGauge, model.MetricTypeGauge
	case *metricspb.Metric_Sum:
		kind, r.meta.Type, temporality = otlptranslator.MetricTypeNonMonotonicCounter, model.MetricTypeGauge, d.Sum.GetAggregationTemporality()
		if r.counter = d.Sum.GetIsMonotonic(); r.counter {
			kind, r.meta.Type = otlptranslator.MetricTypeMonotonicCounter, model.MetricTypeCounter
		}
	case *metricspb.Metric_Histogram:
		kind, r.meta.Type, temporality = otlptranslator.MetricTypeHistogram, model.MetricTypeHistogram, d.Histogram.GetAggregationTemporality()
		r.counter = true
	case *metricspb.Metric_ExponentialHistogram:
		kind, r.meta.Type, temporality = otlptranslator.MetricTypeExponentialHistogram, model.MetricTypeHistogram, d.ExponentialHistogram.GetAggregationTemporality()
	case *metricspb.Metric_Summary:
		kind, r.meta.Type, r.counter = otlptranslator.MetricTypeSummary, model.MetricTypeSummary, true
	}
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true}
	family, err := namer.Build(otlptranslator.Metric{Name: m.GetName(), Unit: m.GetUnit(), Type: kind})
	r.family = family
	refused := ""
	switch {
	case err != nil:
		r.family, refused = m.GetName(), "the metric's name has no letter or digit"
	case len(family) > longestName:
		r.family, refused = family[:longestName], "the metric's name is longer than 256 bytes"
	case temporality == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED:
		refused = "the metric does not say whether it is cumulative or delta"
	}
	r.delta = temporality == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	r.points(m, refused)
	return refused == "" && r.meta.Type != model.MetricTypeUnknown
}

// points translates the points of a metric.
func (r *resource) points(m *metricspb.Metric, refused string) {
	switch d := m.GetData().(type) {
	case *metricspb.Metric_Gauge:
		for _, p := range d.Gauge.GetDataPoints() {
			r.one(p, refused, func() { r.number(p) })
		}
	case *metricspb.Metric_Sum:
		for _, p := range d.Sum.GetDataPoints() {
			r.one(p, refused, func() { r.number(p) })
		}
	case *metricspb.Metric_Histogram:
		for _, p := range d.Histogram.GetDataPoints() {
			r.one(p, refused, func() { r.histogram(p) })
		}
	case *metricspb.Metric_ExponentialHistogram:
		for _, p := range d.ExponentialHistogram.GetDataPoints() {
			r.one(p, refused, func() { r.exponential(p) })
		}
	case *metricspb.Metric_Summary:
		for _, p := range d.Summary.GetDataPoints() {
			r.one(p, refused, func() { r.summary(p) })
		}
	}
}

// one translates a point by build, unless it is refused before.
func (r *resource) one(p point, refused string, build func()) {
	r.point = sample.Point{Service: r.service, Metric: r.family, Refused: refused, Samples: r.point.Samples[:0]}
	if refused == "" {
		r.point.Refused = r.attributes(p.GetAttributes())
	}
	if r.point.Refused == "" && r.at(p) > r.now.Add(r.t.cfg.Ahead).UnixMilli() {
		r.point.Refused = "its time is ahead of this machine's clock"
	}
	if r.point.Refused == "" {
		r.zero = r.zeroOf(p)
		build()
	}
	if r.point.Refused == "" {
		r.latest = max(r.latest, r.at(p))
	}
	r.yield(&r.point)
}

// at is the time of a point, in ms since 1970; now, when it says none.
func (r *resource) at(p point) int64 {
	ns := p.GetTimeUnixNano()
	if ns == 0 {
		return r.now.UnixMilli()
	}
	return int64(ns / 1_000_000) //nolint:gosec // a 64th bit that is a nanosecond is lost by the division
}

// zeroOf is when a counter's series was certainly zero, if it is new: it was not there
// when its instance sent before, or its program began just now.
func (r *resource) zeroOf(p point) int64 {
	at, began := r.at(p), int64(p.GetStartTimeUnixNano()/1_000_000) //nolint:gosec // see at
	switch {
	case !r.counter:
		return 0
	case r.delta:
		return began // the end of the one before
	}
	if r.inst != "" {
		if before := r.t.since(r.job+"\x00"+r.inst, at); before > 0 {
			return max(before, began)
		}
	}
	if began > 0 && at-began <= time.Minute.Milliseconds() {
		return began
	}
	return 0
}

// add adds a sample to the point: of the family's name with a suffix, and with one more
// label when it has a name.
func (r *resource) add(p point, suffix string, v float64, extra ...string) *sample.Sample {
	if stale(p) {
		v = math.Float64frombits(value.StaleNaN)
	}
	r.point.Samples = append(r.point.Samples, sample.Sample{
		Labels: r.labels(r.family+suffix, extra...), Time: r.at(p), Value: v, Zero: r.zero,
	})
	return &r.point.Samples[len(r.point.Samples)-1]
}

// stale reports whether a point says only that there is no value.
func stale(p point) bool {
	return p.GetFlags()&uint32(metricspb.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK) != 0
}
