package proxy

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// metrics counts requests. Its labels have few values: a route of the table or "",
// a class of methods, a class of statuses.
type metrics struct {
	running  atomic.Int64
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	failures *prometheus.CounterVec
}

// newMetrics names them after the gateway: muster_edge_requests_total.
func newMetrics(gateway string) *metrics {
	name := func(of string) string { return "muster_" + gateway + "_" + of }
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("requests_total"), Help: "Requests that ended.",
		}, []string{"route", "method_class", "status_class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name("request_duration_seconds"), Help: "Time from a request's header to the end of its answer; upgraded connections left out.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("retries_total"), Help: "Attempts at instances beyond a request's first.",
		}, []string{"route"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("upstream_failures_total"), Help: "Attempts that brought no whole answer, by service.",
		}, []string{"service"}),
	}
}

func (m *metrics) register(cfg Config) error {
	log := cfg.Log
	all := []prometheus.Collector{
		m.requests, m.duration, m.retries, m.failures,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "muster_" + cfg.Name + "_requests_in_flight", Help: "Requests under way, streams and upgraded connections among them.",
		}, func() float64 { return float64(m.running.Load()) }),
	}
	if log != nil {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "muster_" + cfg.Name + "_access_log_dropped_total", Help: "Requests that the access log has no line of.",
		}, func() float64 { return float64(log.Dropped()) }))
	}
	for _, c := range append(all, cfg.Valve.collectors(cfg.Name)...) {
		if err := cfg.Metrics.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) end(x *Exchange, took time.Duration) {
	m.running.Add(-1)
	label := x.label()
	m.requests.WithLabelValues(label, methodClass(x.Method), x.statusClass()).Inc()
	if x.Status != 101 {
		m.duration.WithLabelValues(label).Observe(took.Seconds())
	}
	if x.Target == nil {
		return
	}
	if x.Attempts > 1 {
		m.retries.WithLabelValues(label).Add(float64(x.Attempts - 1))
	}
	failed := x.Attempts
	if failed > 0 && (x.Err == nil || problem.CodeOf(x.Err) == problem.Canceled) && !x.Broken {
		failed-- // the last one was well, or its client did not wait
	}
	if failed > 0 {
		m.failures.WithLabelValues(x.Target.Service).Add(float64(failed))
	}
}

// forget drops the series of routes that are no more, lest reloads add up.
func (m *metrics) forget(old, now *route.Table) {
	kept := map[string]bool{}
	for _, r := range now.Routes() {
		kept[r.Name()] = true
	}
	for _, r := range old.Routes() {
		if name := r.Name(); !kept[name] {
			labels := prometheus.Labels{"route": name}
			m.requests.DeletePartialMatch(labels)
			m.duration.DeletePartialMatch(labels)
			m.retries.DeletePartialMatch(labels)
		}
	}
}

// methodClass is what may be done with a request of this method (RFC 9110, 9.2).
func methodClass(method string) string {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return "safe"
	case "PUT", "DELETE":
		return "idempotent"
	}
	return "other"
}

// statusClass is the answer's, of a gRPC call that of the HTTP status it stands for.
func (x *Exchange) statusClass() string {
	status := x.Status
	if x.GRPC > 0 {
		status = httpStatus(x.GRPC)
	}
	switch status / 100 {
	case 1:
		return "1xx"
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	}
	return "5xx"
}
