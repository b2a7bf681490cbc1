package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// sparks is how many values a sparkline has.
const sparks = 60

// minStep is how often services send their metrics: values closer together say nothing.
const minStep = 5 * time.Second

// engineNames are the platform's own services.
var engineNames = []string{"broker", "control", "edge"}

// served matches the histograms of what services served, by OpenTelemetry's semantic
// conventions: requests over HTTP, calls over gRPC, messages.
const served = `__name__=~"(http_server_request|rpc_server_call|rpc_server|messaging_process)_duration_seconds_%s"`

// failures are the label matchers of what failed through the service's own fault.
var failures = []string{
	`http_response_status_code=~"5.."`,
	`rpc_grpc_status_code=~"2|4|12|13|14|15"`,
	`rpc_response_status_code=~"UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"`,
	`messaging_operation_type!="",error_type!=""`,
}

// ranger is the metrics' store.
type ranger interface {
	Range(ctx context.Context, promql string, from, until time.Time, step time.Duration) ([]metrics.Series, error)
}

// overview sums the fleet up: from the registry who is there, from the metrics how they
// fare.
type overview struct {
	catalog func() discovery.Catalog
	metrics ranger
	graph   *graph.Graph // nil: none
	changes *changes     // nil: none are noted
}

// of answers query.Overview.
func (o *overview) of(ctx context.Context, window time.Duration) (query.Overview, error) {
	step := max(minStep, (window / sparks).Truncate(time.Second))
	until := time.Now().Truncate(step)
	from := until.Add(-window).Truncate(step)
	out := query.Overview{
		From: float64(from.UnixMilli()), Until: float64(until.UnixMilli()), Step: float64(step.Milliseconds()),
		Services: []query.ServiceOverview{}, Changes: []query.Change{},
	}
	within := max(4*minStep, 2*step)
	over := func(suffix, matcher string) string {
		if matcher != "" {
			matcher = "," + matcher
		}
		return fmt.Sprintf("rate({"+served+matcher+"}[%s])", suffix, within)
	}
	var failed []string
	for _, matcher := range failures {
		failed = append(failed, over("count", matcher))
	}
	questions := map[string]string{
		"rate":   "sum by (job) (" + over("count", "") + ")",
		"errors": "sum by (job) (" + strings.Join(failed, " or ") + ")",
		"p50":    "histogram_quantile(0.5, sum by (job, le) (" + over("bucket", "") + "))*1e3",
		"p99":    "histogram_quantile(0.99, sum by (job, le) (" + over("bucket", "") + "))*1e3",
	}
	lines, err := o.ask(ctx, questions, from, until, step)
	if err != nil {
		return out, err
	}
	n := int(until.Sub(from)/step) + 1
	for _, name := range o.services(lines, window) {
		s := o.registered(name)
		s.Rate, s.P50, s.P99 = lines["rate"][name].values(n), lines["p50"][name].values(n), lines["p99"][name].values(n)
		s.Errors = shares(lines["errors"][name].values(n), s.Rate)
		if lines["rate"][name] == nil && o.graph != nil {
			o.bySpans(&s, from, step, within)
		}
		out.Services = append(out.Services, s)
	}
	if o.changes != nil {
		out.Changes = o.changes.since(from)
	}
	return out, nil
}

// bySpans fills in what its spans tell of a service that sends no metrics.
func (o *overview) bySpans(s *query.ServiceOverview, from time.Time, step, within time.Duration) {
	moments := make([]time.Time, len(s.Rate))
	for i := range moments {
		moments[i] = from.Add(time.Duration(i) * step)
	}
	for i, node := range o.graph.History(s.Name, moments, within) {
		if node == nil {
			continue
		}
		s.Rate[i] = &node.Rate
		if node.Rate > 0 {
			s.Errors[i], s.P50[i], s.P99[i] = &node.Errors, &node.P50, &node.P99
		}
	}
}

// line is a service's values by their place.
type line map[int]float64

func (l line) values(n int) []*float64 {
	out := make([]*float64, n)
	for i := range out {
		if v, ok := l[i]; ok && !math.IsNaN(v) { // a quantile of nothing is none
			out[i] = &v
		}
	}
	return out
}

// ask asks all questions at the same time.
func (o *overview) ask(ctx context.Context, questions map[string]string, from, until time.Time, step time.Duration) (map[string]map[string]line, error) {
	var (
		mu    sync.Mutex
		all   sync.WaitGroup
		lines = map[string]map[string]line{}
		errs  []error
	)
	for name, promql := range questions {
		all.Go(func() {
			series, err := o.metrics.Range(ctx, promql, from, until, step)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			lines[name] = map[string]line{}
			for _, s := range series {
				l := line{}
				for _, p := range s.Points {
					l[int(time.UnixMilli(p.Time).Sub(from)/step)] = p.Value
				}
				lines[name][s.Labels.Get("job")] = l
			}
		})
	}
	all.Wait()
	return lines, errors.Join(errs...)
}

// services are those that are registered or were heard of, be it by spans alone, the
// platform's own last.
func (o *overview) services(lines map[string]map[string]line, window time.Duration) []string {
	var names []string
	for name := range o.catalog().Services {
		names = append(names, name)
	}
	for name := range lines["rate"] {
		names = append(names, name)
	}
	if o.graph != nil {
		for _, node := range o.graph.Map(window).Nodes {
			if node.Kind == "service" {
				names = append(names, node.Name)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(ofPlatform(a), ofPlatform(b)), cmp.Compare(a, b))
	})
	return slices.Compact(names)
}

func ofPlatform(name string) int {
	if slices.Contains(engineNames, name) {
		return 1
	}
	return 0
}

func (o *overview) registered(name string) query.ServiceOverview {
	instances := o.catalog().Services[name]
	s := query.ServiceOverview{Name: name, Instances: len(instances), Versions: []string{}, Engine: ofPlatform(name) == 1}
	for _, i := range instances {
		if i.State == discovery.Ready {
			s.Ready++
		}
	}
	if len(instances) > 0 {
		s.Versions = versions(instances)
	}
	return s
}

// shares divides what failed by all; nothing of something is 0, of nothing null.
func shares(failed, all []*float64) []*float64 {
	out := make([]*float64, len(all))
	for i, n := range all {
		if n == nil || *n == 0 {
			continue
		}
		var share float64
		if failed[i] != nil {
			share = min(1, *failed[i] / *n)
		}
		out[i] = &share
	}
	return out
}
