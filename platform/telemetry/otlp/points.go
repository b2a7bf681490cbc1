package otlp

import (
	"context"

	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
	"github.com/musterdev/muster/problem"
)

// partsPerPoint is how many attributes, exemplars and the like a point may have on
// average in a request.
const partsPerPoint = 16

// What things take in memory besides their texts, in bytes: a span or record, an attribute,
// event or link of it, and a part of a metric. It is charged to Limits.InFlight, as small
// things may be many.
const (
	itemCost      = 256
	attributeCost = 48
	partCost      = 32
)

// metrics takes data points: each service's by a call of its own, so that what is
// rejected is counted to the right one.
func (r *Receiver) metrics(ctx context.Context, body []byte) (out outcome, damaged bool, err error) {
	lim := r.Limits.withDefaults()
	points, parts, err := wire.Count(Metrics, string(body))
	if err != nil {
		r.tally.request("malformed")
		return out, false, malformed(err)
	}
	// Objects of protobuf take many times what they take on the wire, so that here the
	// request is refused as a whole, before they are made.
	if points > int64(lim.Items) || parts > int64(lim.Items)*partsPerPoint {
		l := newLedger()
		c := l.of(OtherServices)
		c.Received = points
		l.failed(DropMany)
		r.tally.settle(Points, l)
		r.tally.request("too large")
		return out, false, problem.New(problem.TooLarge, "%d data points with %d attributes and other parts are too many for one request: send at most %d points of %d parts each on average", points, parts, lim.Items, partsPerPoint)
	}
	release, err := r.charge((points+parts)*partCost, lim)
	if err != nil {
		return out, false, err
	}
	defer release()
	var req collectmetrics.ExportMetricsServiceRequest
	if damaged, err = decode(body, &req); err != nil {
		r.tally.request("malformed")
		return out, false, malformed(err)
	}
	l := newLedger()
	detail, err := r.share(ctx, &req, l, lim)
	out, err = r.settle(ctx, Metrics, Points, l, detail, err)
	return out, damaged, err
}

// share hands each service's points on and counts what became of them. It fails where
// all is to be sent again, or nothing was stored. detail is a reason why points were
// rejected.
func (r *Receiver) share(ctx context.Context, req *collectmetrics.ExportMetricsServiceRequest, l *ledger, lim Limits) (detail string, err error) {
	order, byService := grouped(req)
	var failed error
	var stored int64
	for i, sent := range order {
		part := byService[sent]
		n := pointsOf(part)
		name, ok := r.tally.known(sent, lim.Services, r.now())
		if !ok {
			c := l.of(OtherServices)
			c.Received += n
			c.drop(DropServices, n)
			continue
		}
		c := l.of(name)
		c.Received += n
		var rejected int64
		var why string
		err := r.guarded(func() (err error) { rejected, why, err = r.Metrics(ctx, part); return err })
		if _, again := retryable(err); again {
			// What the services before brought is kept, and will come again: a sample that is
			// there already changes nothing.
			for _, later := range order[i+1:] {
				if name, ok := r.tally.known(later, lim.Services, r.now()); ok {
					l.of(name).Received += pointsOf(byService[later])
				}
			}
			return detail, err
		}
		if err != nil {
			failed = err
			c.drop(DropFailed, n)
			continue
		}
		if rejected = min(max(rejected, 0), n); rejected > 0 {
			c.drop(DropRejected, rejected)
			detail = why
		}
		c.Stored += n - rejected
		stored += n - rejected
	}
	if failed != nil && stored > 0 {
		r.log().ErrorContext(ctx, "metrics were dropped: they could not be stored", "error", failed)
		failed = nil
	}
	return detail, failed
}

// grouped splits a request by service, in the order of their first mention.
func grouped(req *collectmetrics.ExportMetricsServiceRequest) ([]string, map[string]*collectmetrics.ExportMetricsServiceRequest) {
	var order []string
	parts := map[string]*collectmetrics.ExportMetricsServiceRequest{}
	for _, rm := range req.ResourceMetrics {
		name := serviceOf(rm.GetResource())
		if parts[name] == nil {
			order = append(order, name)
			parts[name] = &collectmetrics.ExportMetricsServiceRequest{}
		}
		parts[name].ResourceMetrics = append(parts[name].ResourceMetrics, rm)
	}
	return order, parts
}

func serviceOf(res *resourcepb.Resource) string {
	for _, a := range res.GetAttributes() {
		if name := a.GetValue().GetStringValue(); a.GetKey() == "service.name" && name != "" {
			return name
		}
	}
	return wire.Unknown
}

func pointsOf(req *collectmetrics.ExportMetricsServiceRequest) int64 {
	n := 0
	for _, rm := range req.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				n += pointsIn(m)
			}
		}
	}
	return int64(n)
}

func pointsIn(m *metricspb.Metric) int {
	return len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints()) + len(m.GetHistogram().GetDataPoints()) +
		len(m.GetExponentialHistogram().GetDataPoints()) + len(m.GetSummary().GetDataPoints())
}
