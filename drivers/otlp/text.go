package otlp

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Protobuf's texts are UTF-8, and the exporters fail on a whole request for one that is
// not. Callers choose some of them, such as a path with %ff in it: what is wrong in them is
// replaced before.

func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// badValue reports whether a value has a text that is no UTF-8.
func badValue(v attribute.Value) bool {
	switch v.Type() {
	case attribute.STRING:
		return !utf8.ValidString(v.AsString())
	case attribute.STRINGSLICE:
		return slices.ContainsFunc(v.AsStringSlice(), func(s string) bool { return !utf8.ValidString(s) })
	case attribute.SLICE:
		return slices.ContainsFunc(v.AsSlice(), badValue)
	case attribute.MAP:
		return badAttributes(v.AsMap())
	}
	return false
}

func badAttributes(list []attribute.KeyValue) bool {
	return slices.ContainsFunc(list, func(a attribute.KeyValue) bool { return !utf8.ValidString(string(a.Key)) || badValue(a.Value) })
}

func value(v attribute.Value) attribute.Value {
	switch {
	case !badValue(v):
	case v.Type() == attribute.STRING:
		return attribute.StringValue(text(v.AsString()))
	case v.Type() == attribute.STRINGSLICE:
		list := slices.Clone(v.AsStringSlice())
		for i, s := range list {
			list[i] = text(s)
		}
		return attribute.StringSliceValue(list)
	case v.Type() == attribute.SLICE:
		list := slices.Clone(v.AsSlice())
		for i := range list {
			list[i] = value(list[i])
		}
		return attribute.SliceValue(list...)
	case v.Type() == attribute.MAP:
		return attribute.MapValue(attributes(v.AsMap())...)
	}
	return v
}

// attributes returns the attributes with texts of UTF-8; list itself where they are.
func attributes(list []attribute.KeyValue) []attribute.KeyValue {
	if !badAttributes(list) {
		return list
	}
	list = slices.Clone(list)
	for i, a := range list {
		list[i] = attribute.KeyValue{Key: attribute.Key(text(string(a.Key))), Value: value(a.Value)}
	}
	return list
}

// readable returns the spans with texts of UTF-8; list itself where they are.
func readable(list []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	cloned := false
	for i, s := range list {
		if !badSpan(s) {
			continue
		}
		if !cloned {
			list, cloned = slices.Clone(list), true
		}
		list[i] = readableSpan{s}
	}
	return list
}

func badSpan(s sdktrace.ReadOnlySpan) bool {
	return !utf8.ValidString(s.Name()) || !utf8.ValidString(s.Status().Description) || badAttributes(s.Attributes()) ||
		slices.ContainsFunc(s.Events(), func(e sdktrace.Event) bool { return !utf8.ValidString(e.Name) || badAttributes(e.Attributes) }) ||
		slices.ContainsFunc(s.Links(), func(l sdktrace.Link) bool { return badAttributes(l.Attributes) })
}

// readableSpan is a span with texts of UTF-8.
type readableSpan struct{ sdktrace.ReadOnlySpan }

func (s readableSpan) Name() string { return text(s.ReadOnlySpan.Name()) }

func (s readableSpan) Attributes() []attribute.KeyValue {
	return attributes(s.ReadOnlySpan.Attributes())
}

func (s readableSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	status.Description = text(status.Description)
	return status
}

func (s readableSpan) Events() []sdktrace.Event {
	list := slices.Clone(s.ReadOnlySpan.Events())
	for i, e := range list {
		list[i].Name, list[i].Attributes = text(e.Name), attributes(e.Attributes)
	}
	return list
}

func (s readableSpan) Links() []sdktrace.Link {
	list := slices.Clone(s.ReadOnlySpan.Links())
	for i, l := range list {
		list[i].Attributes = attributes(l.Attributes)
	}
	return list
}

// readableMetrics sends metrics whose attributes are UTF-8. It writes over those that are
// not: the reader makes them anew each time.
type readableMetrics struct{ sdkmetric.Exporter }

// Export sends metrics.
func (e readableMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	for _, scope := range m.ScopeMetrics {
		for _, one := range scope.Metrics {
			switch data := one.Data.(type) {
			case metricdata.Gauge[int64]:
				points(data.DataPoints)
			case metricdata.Gauge[float64]:
				points(data.DataPoints)
			case metricdata.Sum[int64]:
				points(data.DataPoints)
			case metricdata.Sum[float64]:
				points(data.DataPoints)
			case metricdata.Histogram[int64]:
				histograms(data.DataPoints)
			case metricdata.Histogram[float64]:
				histograms(data.DataPoints)
			case metricdata.ExponentialHistogram[int64]:
				exponentials(data.DataPoints)
			case metricdata.ExponentialHistogram[float64]:
				exponentials(data.DataPoints)
			}
		}
	}
	return e.Exporter.Export(ctx, m)
}

func points[N int64 | float64](list []metricdata.DataPoint[N]) {
	for i := range list {
		set(&list[i].Attributes)
		exemplars(list[i].Exemplars)
	}
}

func histograms[N int64 | float64](list []metricdata.HistogramDataPoint[N]) {
	for i := range list {
		set(&list[i].Attributes)
		exemplars(list[i].Exemplars)
	}
}

func exponentials[N int64 | float64](list []metricdata.ExponentialHistogramDataPoint[N]) {
	for i := range list {
		set(&list[i].Attributes)
		exemplars(list[i].Exemplars)
	}
}

func exemplars[N int64 | float64](list []metricdata.Exemplar[N]) {
	for i := range list {
		list[i].FilteredAttributes = attributes(list[i].FilteredAttributes)
	}
}

func set(s *attribute.Set) {
	for i := s.Iter(); i.Next(); {
		if a := i.Attribute(); !utf8.ValidString(string(a.Key)) || badValue(a.Value) {
			*s = attribute.NewSet(attributes(s.ToSlice())...)
			return
		}
	}
}
