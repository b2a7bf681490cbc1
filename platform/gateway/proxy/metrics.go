package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// metrics counts requests. Its labels have few values: a route of the table or "",
// a class of methods, a class of statuses.
type metrics struct {
	running  atomic.Int64
	found    sync.Map // *series by *route.Target, of those that are in no table
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	failures *prometheus.CounterVec
	outdated *prometheus.CounterVec
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
		outdated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("deprecated_requests_total"), Help: "Requests to routes that are deprecated.",
		}, []string{"route"}),
	}
}

func (m *metrics) register(cfg Config) error {
	log := cfg.Log
	all := []prometheus.Collector{
		m.requests, m.duration, m.retries, m.failures, m.outdated,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "muster_" + cfg.Name + "_requests_in_flight", Help: "Requests under way, streams and upgraded connections among them.",
		}, func() float64 { return float64(m.running.Load()) }),
	}
	if log != nil {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "muster_" + cfg.Name + "_access_log_dropped_total", Help: "Requests that the access log has no line of.",
		}, func() float64 { return float64(log.Dropped()) }))
	}
	if cfg.Mirror != nil {
		all = append(all, cfg.Mirror)
	}
	for _, c := range append(all, cfg.Valve.Collectors(cfg.Name)...) {
		if err := cfg.Metrics.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// series are the metrics of one route, found once each when they are first needed.
type series struct {
	of             *metrics
	label, service string

	ended [methodClasses][statusClasses]atomic.Pointer[prometheus.Counter]
	first sync.Once
	took  prometheus.Observer // once first is done
}

func (s *series) duration() prometheus.Observer {
	s.first.Do(func() { s.took = s.of.duration.WithLabelValues(s.label) })
	return s.took
}

// requests is the counter of a class, made when the first such request ends.
func (s *series) requests(method, status int) prometheus.Counter {
	at := &s.ended[method][status]
	if c := at.Load(); c != nil {
		return *c
	}
	c := s.of.requests.WithLabelValues(s.label, methodNames[method], statusNames[status])
	at.Store(&c)
	return c
}

// of returns the series of a route that is in no table.
func (m *metrics) of(t *route.Target) *series {
	found, ok := m.found.Load(t)
	if !ok {
		found, _ = m.found.LoadOrStore(t, &series{of: m, label: t.Label, service: t.Service})
	}
	s, _ := found.(*series) // nothing else is in it
	return s
}

// follow finds the series of a snapshot's routes.
func (m *metrics) follow(s *snapshot.Snapshot) *use {
	u := &use{Snapshot: s, unrouted: &series{of: m}}
	for _, r := range s.Table.Routes() {
		u.series = append(u.series, &series{of: m, label: r.Name(), service: r.Service})
	}
	return u
}

func (m *metrics) end(x *Exchange, took time.Duration) {
	m.running.Add(-1)
	s := x.series
	if s == nil { // it was refused before it could be routed
		s = x.gateway.use.Load().unrouted
	}
	s.requests(methodClass(x.Request.Method), x.statusClass()).Inc()
	if x.Status != 101 {
		s.duration().Observe(took.Seconds())
	}
	if x.Target == nil {
		return
	}
	if x.Attempts > 1 {
		m.retries.WithLabelValues(s.label).Add(float64(x.Attempts - 1))
	}
	failed := x.Attempts
	if failed > 0 && (x.Err == nil || problem.CodeOf(x.Err) == problem.Canceled) && !x.Broken {
		failed-- // the last one was well, or its client did not wait
	}
	if failed > 0 {
		m.failures.WithLabelValues(s.service).Add(float64(failed))
	}
}

// forget drops the series of routes that are no more, lest reloads add up.
func (m *metrics) forget(old, now *snapshot.Snapshot) {
	kept := map[string]bool{}
	for _, r := range now.Table.Routes() {
		kept[r.Name()] = true
	}
	for _, r := range old.Table.Routes() {
		if name := r.Name(); !kept[name] {
			labels := prometheus.Labels{"route": name}
			m.requests.DeletePartialMatch(labels)
			m.duration.DeletePartialMatch(labels)
			m.retries.DeletePartialMatch(labels)
			m.outdated.DeletePartialMatch(labels)
		}
	}
}

// The classes of methods: what may be done with a request of them (RFC 9110, 9.2).
const (
	safe = iota
	idempotent
	other
	methodClasses
)

const statusClasses = 5 // 1xx to 5xx

var (
	methodNames = [methodClasses]string{"safe", "idempotent", "other"}
	statusNames = [statusClasses]string{"1xx", "2xx", "3xx", "4xx", "5xx"}
)

func methodClass(method string) int {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return safe
	case "PUT", "DELETE":
		return idempotent
	}
	return other
}

// statusClass is the answer's, of a gRPC call that of the HTTP status it stands for.
func (x *Exchange) statusClass() int {
	status := x.Status
	if x.GRPC > 0 {
		status = httpStatus(x.GRPC)
	}
	if status < 100 || status > 599 {
		return statusClasses - 1
	}
	return status/100 - 1
}
