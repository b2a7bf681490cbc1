// Package sample has what metrics are made of on their way into the store: Prometheus'
// samples, grouped by the point that they stand for.
package sample

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// Point is what was measured once: a number, or a whole histogram or summary, which are
// several series. It is kept as a whole or refused as a whole.
type Point struct {
	Service string // whose limit of series counts
	Metric  string // the family's name, for the counts of what was refused
	Refused string // why it cannot be kept; "" when it can
	Extra   bool   // the platform's own addition, which its sender did not count: target_info
	Samples []Sample
}

// Sample is the value of one series at one time.
type Sample struct {
	Labels    labels.Labels
	Time      int64 // ms since 1970
	Value     float64
	Histogram *histogram.FloatHistogram // of a native histogram, instead of Value
	Exemplars []exemplar.Exemplar
	// Zero is when a counter of a new series was certainly zero, ms since 1970, before
	// Time; 0 when nobody knows.
	Zero int64
}

// Meta tells what a family of metrics is.
type Meta struct {
	Type model.MetricType
	Help string
	Unit string
}
