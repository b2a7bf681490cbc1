package jwt

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// counts are the filter's metrics. The path of a remembered token touches none.
type counts struct {
	looks   *prometheus.CounterVec
	fetches *prometheus.CounterVec
}

func newCounts(to prometheus.Registerer, remembered func() int) (c counts, err error) {
	c.looks, err = filter.Register(to, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_edge_jwt_verified_total", Help: "Tokens that were not remembered and had to be verified, by what came of it.",
	}, []string{"outcome"}))
	if err != nil {
		return c, err
	}
	c.fetches, err = filter.Register(to, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_edge_jwt_keys_fetched_total", Help: "Fetches of an issuer's keys, by what came of them.",
	}, []string{"issuer", "outcome"}))
	if err != nil {
		return c, err
	}
	_, err = filter.Register(to, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "muster_edge_jwt_remembered", Help: "Verified tokens that are remembered.",
	}, func() float64 { return float64(remembered()) }))
	return c, err
}

func (c counts) looked(err error) {
	outcome := "held"
	switch {
	case problem.CodeOf(err) == problem.Unavailable:
		outcome = "no_keys"
	case err != nil:
		outcome = "refused"
	}
	c.looks.WithLabelValues(outcome).Inc()
}

func (c counts) fetched(issuer string, err error) {
	outcome := "got"
	if err != nil {
		outcome = "failed"
	}
	c.fetches.WithLabelValues(issuer, outcome).Inc()
}
