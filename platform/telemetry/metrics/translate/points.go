package translate

import (
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// What a histogram may have.
const (
	mostBuckets   = 4096
	mostExemplars = 64      // of a point
	farthest      = 1 << 20 // the bucket of an exponential histogram: beyond any number's
)

// number makes the sample of a gauge or a sum.
func (r *resource) number(p *metricspb.NumberDataPoint) {
	var v float64
	switch n := p.GetValue().(type) {
	case *metricspb.NumberDataPoint_AsInt:
		v = float64(n.AsInt)
	case *metricspb.NumberDataPoint_AsDouble:
		v = n.AsDouble
	default:
		if !stale(p) {
			r.point.Refused = "the point has no value"
			return
		}
	}
	if r.delta && !stale(p) {
		s, why := r.t.deltas.sum(r.labels(r.family), r.at(p))
		if r.point.Refused = why; why != "" {
			return
		}
		s.value += v
		v = s.value
	}
	s := r.add(p, "", v)
	if !r.counter {
		return // Prometheus knows exemplars of counters and histograms only
	}
	for i, e := range p.GetExemplars() {
		if i < mostExemplars {
			s.Exemplars = append(s.Exemplars, exemplarOf(e))
		}
	}
}

// histogram makes the samples of a histogram with bounds: a counter for each bucket,
// those below included, the count and, where it is known, the sum.
func (r *resource) histogram(p *metricspb.HistogramDataPoint) {
	bounds, buckets, count, total := p.GetExplicitBounds(), p.GetBucketCounts(), p.GetCount(), p.GetSum()
	switch {
	case len(bounds) > mostBuckets:
		r.point.Refused = "a histogram has more than 4096 buckets"
	case len(buckets) != len(bounds)+1 && len(buckets)+len(bounds) > 0 && !stale(p):
		r.point.Refused = "a histogram has not one count more than bounds"
	case !increasing(bounds):
		r.point.Refused = "a histogram's bounds do not increase"
	}
	if r.point.Refused != "" {
		return
	}
	if r.delta && !stale(p) {
		s, why := r.t.deltas.sum(r.labels(r.family), r.at(p))
		if r.point.Refused = why; why != "" {
			return
		}
		if !slices.Equal(s.bounds, bounds) || len(s.buckets) != len(buckets) { // one without bounds may have a count, or none
			*s = sum{seen: s.seen, bounds: slices.Clone(bounds), buckets: make([]uint64, len(buckets))}
		}
		for i, n := range buckets {
			s.buckets[i] += n
		}
		s.count += count
		s.value += total
		buckets, count, total = s.buckets, s.count, s.value
	}
	if p.Sum != nil {
		r.add(p, "_sum", total)
	}
	r.add(p, "_count", float64(count))
	first := len(r.point.Samples)
	var below uint64
	for i, bound := range bounds {
		if i < len(buckets) {
			below += buckets[i]
		}
		if !math.IsInf(bound, 1) {
			r.add(p, "_bucket", float64(below), labels.BucketLabel, strconv.FormatFloat(bound, 'f', -1, 64))
		}
	}
	r.add(p, "_bucket", float64(count), labels.BucketLabel, "+Inf")
	of := r.point.Samples[first:]
	for i, e := range p.GetExemplars() {
		if i >= mostExemplars {
			break
		}
		ex := exemplarOf(e)
		bucket, _ := slices.BinarySearch(bounds, ex.Value)
		bucket = min(bucket, len(of)-1)
		of[bucket].Exemplars = append(of[bucket].Exemplars, ex)
	}
}

func increasing(bounds []float64) bool {
	for i, b := range bounds {
		if math.IsNaN(b) || i > 0 && b <= bounds[i-1] {
			return false
		}
	}
	return true
}

// exponential makes the native histogram of an exponential one.
func (r *resource) exponential(p *metricspb.ExponentialHistogramDataPoint) {
	h := &histogram.FloatHistogram{
		Schema: p.GetScale(), ZeroThreshold: p.GetZeroThreshold(), ZeroCount: float64(p.GetZeroCount()), Count: float64(p.GetCount()), Sum: p.GetSum(),
	}
	if h.ZeroThreshold == 0 {
		h.ZeroThreshold = 1e-128 // what Prometheus' clients take
	}
	var shift int32
	if h.Schema > histogram.ExponentialSchemaMax { // finer than Prometheus knows: buckets are joined
		shift, h.Schema = h.Schema-histogram.ExponentialSchemaMax, histogram.ExponentialSchemaMax
	}
	var ok, fine bool
	h.PositiveSpans, h.PositiveBuckets, ok = spans(p.GetPositive(), shift)
	h.NegativeSpans, h.NegativeBuckets, fine = spans(p.GetNegative(), shift)
	switch {
	case h.Schema < histogram.ExponentialSchemaMin:
		r.point.Refused = "an exponential histogram's scale is less than -4"
	case !ok || !fine:
		r.point.Refused = "an exponential histogram has more than 4096 buckets, or buckets for numbers that do not exist"
	case math.IsNaN(h.ZeroThreshold) || h.ZeroThreshold < 0:
		r.point.Refused = "an exponential histogram's zero threshold is no number"
	}
	if r.point.Refused != "" {
		return
	}
	if stale(p) {
		h = &histogram.FloatHistogram{Sum: math.Float64frombits(value.StaleNaN)}
	} else if r.delta {
		s, why := r.t.deltas.sum(r.labels(r.family), r.at(p))
		if why == "" && s.native != nil {
			var err error
			if h, _, _, err = s.native.Copy().Add(h); err != nil {
				why = err.Error()
			}
		}
		if r.point.Refused = why; why != "" {
			return
		}
		s.native = h.Copy()
	}
	s := sample.Sample{Labels: r.labels(r.family), Time: r.at(p), Histogram: h.Compact(2)}
	for i, e := range p.GetExemplars() {
		if i < mostExemplars {
			s.Exemplars = append(s.Exemplars, exemplarOf(e))
		}
	}
	r.point.Samples = append(r.point.Samples, s)
}

// spans translates buckets, joining 2^shift of them to one. The bucket i of OTLP ends
// where i+1 of Prometheus does.
func spans(b *metricspb.ExponentialHistogramDataPoint_Buckets, shift int32) (_ []histogram.Span, counts []float64, ok bool) {
	n := len(b.GetBucketCounts())
	if n == 0 {
		return nil, nil, true
	}
	shift = min(shift, 31)
	first := int64(b.GetOffset()) >> shift
	last := (int64(b.GetOffset()) + int64(n) - 1) >> shift
	if n > mostBuckets || first < -farthest || last > farthest {
		return nil, nil, false
	}
	counts = make([]float64, last-first+1)
	for i, c := range b.GetBucketCounts() {
		counts[(int64(b.GetOffset())+int64(i))>>shift-first] += float64(c)
	}
	return []histogram.Span{{Offset: int32(first + 1), Length: uint32(len(counts))}}, counts, true //nolint:gosec // bounded above
}

// summary makes the samples of a summary: its quantiles, the count and the sum.
func (r *resource) summary(p *metricspb.SummaryDataPoint) {
	if len(p.GetQuantileValues()) > mostBuckets {
		r.point.Refused = "a summary has more than 4096 quantiles"
		return
	}
	r.add(p, "_sum", p.GetSum())
	r.add(p, "_count", float64(p.GetCount()))
	for _, q := range p.GetQuantileValues() {
		r.add(p, "", q.GetValue(), "quantile", strconv.FormatFloat(q.GetQuantile(), 'f', -1, 64)).Zero = 0
	}
}
