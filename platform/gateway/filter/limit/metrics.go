package limit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// metrics are those of a filter.
type metrics struct {
	refusedBy, crowdedBy, dryBy *prometheus.CounterVec
	up, gateways                prometheus.Gauge
}

// counts are those of a rule.
type counts struct{ refused, crowded, dry prometheus.Counter }

func (m *metrics) register(to prometheus.Registerer) error {
	counter := func(name, help string) (*prometheus.CounterVec, error) {
		return filter.Register(to, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_edge_limit_" + name, Help: help}, []string{"rule"}))
	}
	gauge := func(name, help string) (prometheus.Gauge, error) {
		return filter.Register(to, prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_edge_limit_" + name, Help: help}))
	}
	var errs [5]error
	m.refusedBy, errs[0] = counter("refused_total", "Requests refused by a limit.")
	m.crowdedBy, errs[1] = counter("crowded_total", "Requests that shared a count, as there were more keys than are counted apart.")
	m.dryBy, errs[2] = counter("dry_refused_total", "Requests that a limit in a dry run would have refused.")
	m.up, errs[3] = gauge("store_up", "Whether the store of a shared limit answers.")
	m.gateways, errs[4] = gauge("gateways", "Gateways that share a limit, as far as this one knows.")
	return errors.Join(errs[:]...)
}

func (m *metrics) of(rule string) counts {
	return counts{m.refusedBy.WithLabelValues(rule), m.crowdedBy.WithLabelValues(rule), m.dryBy.WithLabelValues(rule)}
}
