// Package otlptest makes OTLP requests of metrics for tests.
package otlptest

import (
	"time"

	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// The temporalities.
const (
	Cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	Delta      = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
)

// Attributes makes attributes of names and values: a string, int, float64 or bool.
func Attributes(pairs ...any) []*commonpb.KeyValue {
	var list []*commonpb.KeyValue
	for i := 0; i+1 < len(pairs); i += 2 {
		key, _ := pairs[i].(string)
		v := &commonpb.AnyValue{}
		switch x := pairs[i+1].(type) {
		case string:
			v.Value = &commonpb.AnyValue_StringValue{StringValue: x}
		case int:
			v.Value = &commonpb.AnyValue_IntValue{IntValue: int64(x)}
		case float64:
			v.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: x}
		case bool:
			v.Value = &commonpb.AnyValue_BoolValue{BoolValue: x}
		}
		list = append(list, &commonpb.KeyValue{Key: key, Value: v})
	}
	return list
}

// Request makes a request of one service's instance.
func Request(service, instance string, metrics ...*metricspb.Metric) *colmetricspb.ExportMetricsServiceRequest {
	return &colmetricspb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource:     &resourcepb.Resource{Attributes: Attributes("service.name", service, "service.instance.id", instance)},
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: metrics}},
	}}}
}

// Gauge makes a metric that goes up and down.
func Gauge(name, unit string, points ...*metricspb.NumberDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: points}}}
}

// Counter makes a metric that grows only, cumulative.
func Counter(name, unit string, points ...*metricspb.NumberDataPoint) *metricspb.Metric {
	return Sum(name, unit, true, Cumulative, points...)
}

// Sum makes a sum of any kind.
func Sum(name, unit string, monotonic bool, t metricspb.AggregationTemporality, points ...*metricspb.NumberDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Sum{
		Sum: &metricspb.Sum{IsMonotonic: monotonic, AggregationTemporality: t, DataPoints: points},
	}}
}

// Histogram makes a histogram with bounds.
func Histogram(name, unit string, t metricspb.AggregationTemporality, points ...*metricspb.HistogramDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Histogram{
		Histogram: &metricspb.Histogram{AggregationTemporality: t, DataPoints: points},
	}}
}

// Exponential makes an exponential histogram.
func Exponential(name, unit string, t metricspb.AggregationTemporality, points ...*metricspb.ExponentialHistogramDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_ExponentialHistogram{
		ExponentialHistogram: &metricspb.ExponentialHistogram{AggregationTemporality: t, DataPoints: points},
	}}
}

// Summary makes a summary.
func Summary(name, unit string, points ...*metricspb.SummaryDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Summary{Summary: &metricspb.Summary{DataPoints: points}}}
}

// Number makes a point.
func Number(at time.Time, v float64, attributes ...any) *metricspb.NumberDataPoint {
	return &metricspb.NumberDataPoint{TimeUnixNano: Nanos(at), Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: v}, Attributes: Attributes(attributes...)}
}

// Buckets makes a point of a histogram; its count is the sum of counts.
func Buckets(at time.Time, sum float64, bounds []float64, counts []uint64, attributes ...any) *metricspb.HistogramDataPoint {
	p := &metricspb.HistogramDataPoint{
		TimeUnixNano: Nanos(at), ExplicitBounds: bounds, BucketCounts: counts, Sum: &sum, Attributes: Attributes(attributes...),
	}
	for _, n := range counts {
		p.Count += n
	}
	return p
}

// Nanos is a time as OTLP has it.
func Nanos(t time.Time) uint64 { return uint64(t.UnixNano()) }
