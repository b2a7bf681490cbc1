package observe

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// call is what the duration of a request or call is counted by.
type call struct {
	method string // of HTTP; "" for gRPC
	target string // the route, or the full gRPC method
	peer   string // of a client: the service that was called
	failed string // error.type; ""
	status int    // of HTTP; 0: none
	code   string // of gRPC
}

// maxCalls bounds what is kept of the attributes of calls; the rest are made anew each
// time, and the SDK's own limit gathers them.
const maxCalls = 2000

// durations is a histogram that keeps its sets of attributes: making and sorting them
// costs more than counting.
type durations struct {
	histogram metric.Float64Histogram
	known     sync.Map // of call to metric.MeasurementOption
	count     atomic.Int64
}

func newDurations(meters metric.MeterProvider, name, what string) *durations {
	h, err := meters.Meter(scope).Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), seconds())
	if err != nil { // the names are ours: it cannot be
		h = noop.Float64Histogram{}
	}
	return &durations{histogram: h}
}

func (d *durations) record(ctx context.Context, took time.Duration, c call) {
	if !d.histogram.Enabled(ctx) {
		return
	}
	option, ok := d.known.Load(c)
	if !ok {
		option = metric.WithAttributeSet(c.attributes())
		if d.count.Load() < maxCalls {
			if _, there := d.known.LoadOrStore(c, option); !there {
				d.count.Add(1)
			}
		}
	}
	with, _ := option.(metric.MeasurementOption)
	d.histogram.Record(ctx, took.Seconds(), with)
}

func (c call) attributes() attribute.Set {
	attrs := make([]attribute.KeyValue, 0, 6)
	add := func(key attribute.Key, value string) {
		if value != "" {
			attrs = append(attrs, key.String(value))
		}
	}
	if c.method != "" {
		add("http.request.method", c.method)
		add("http.route", c.target)
		add("url.scheme", "http")
	} else {
		add("rpc.system.name", "grpc")
		add("rpc.method", c.target)
		add("rpc.response.status_code", c.code)
	}
	add("server.address", c.peer)
	add("error.type", c.failed)
	if c.status != 0 {
		attrs = append(attrs, attribute.Int("http.response.status_code", c.status))
	}
	return attribute.NewSet(attrs...)
}
