package metrics

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// mostNamed bounds the metrics that are named of a service, so that a service that makes
// up names is no burden either; the rest count as one.
const mostNamed = 2000

// mostServices bounds the services that are known.
const mostServices = 5000

const others = "(others)"

// Cardinality tells how many series a service has, and what was refused because of them.
type Cardinality struct {
	Service  string              `json:"service"`
	Series   int                 `json:"series"` // active
	Limit    int                 `json:"limit"`
	Rejected int64               `json:"rejected"` // points, since the database was opened
	Metrics  []MetricCardinality `json:"metrics"`  // those with the most first, at most 20
}

// MetricCardinality is the same of one metric.
type MetricCardinality struct {
	Metric   string `json:"metric"`
	Series   int    `json:"series"`
	Rejected int64  `json:"rejected"`
}

// guard lets a service have so many series and no more: it knows those that are active.
type guard struct {
	perService, total int

	mu       sync.Mutex
	active   int
	services map[string]*serviceSeries
}

type serviceSeries struct {
	series   map[uint64]*active // by the hash of their labels; that two are alike costs a count
	metrics  map[string]*MetricCardinality
	rejected int64
}

type active struct {
	seen   int64 // ms since 1970
	metric *MetricCardinality
}

func newGuard(perService, total int) *guard {
	return &guard{perService: perService, total: total, services: map[string]*serviceSeries{}}
}

// admit reports which of a point's series are new, in buf; when they are too many it says
// why, and the point is counted as refused.
func (g *guard) admit(p *sample.Point, buf []bool) (fresh []bool, why string) {
	fresh = buf[:0]
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.service(p.Service)
	if s == nil {
		return fresh, fmt.Sprintf("there are more than %d services", mostServices)
	}
	n := 0
	for i := range p.Samples {
		known := s.series[p.Samples[i].Labels.Hash()]
		fresh = append(fresh, known == nil)
		if known == nil {
			n++
		} else {
			known.seen = max(known.seen, p.Samples[i].Time)
		}
	}
	if n == 0 {
		return fresh, ""
	}
	switch {
	case len(s.series)+n > g.perService:
		why = fmt.Sprintf("service %s has its limit of %d series: labels such as ids make too many", p.Service, g.perService)
	case g.active+n > g.total:
		why = fmt.Sprintf("all services together have the limit of %d series", g.total)
	}
	m := s.metric(p.Metric)
	if why != "" {
		if !p.Extra {
			s.rejected++
			m.Rejected++
		}
		return fresh, why
	}
	for i, first := range fresh {
		hash := p.Samples[i].Labels.Hash()
		if !first || s.series[hash] != nil {
			continue
		}
		s.series[hash] = &active{p.Samples[i].Time, m}
		m.Series++
		g.active++
	}
	return fresh, ""
}

// service returns what is known of a service; nil when there are too many.
func (g *guard) service(name string) *serviceSeries {
	s := g.services[name]
	if s == nil && len(g.services) < mostServices {
		s = &serviceSeries{series: map[uint64]*active{}, metrics: map[string]*MetricCardinality{}}
		g.services[name] = s
	}
	return s
}

func (s *serviceSeries) metric(name string) *MetricCardinality {
	m := s.metrics[name]
	if m == nil {
		if len(s.metrics) >= mostNamed {
			name = others
			if m = s.metrics[name]; m != nil {
				return m
			}
		}
		m = &MetricCardinality{Metric: name}
		s.metrics[name] = m
	}
	return m
}

// forget drops the series that were last seen before a time, ms since 1970.
func (g *guard) forget(before int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, s := range g.services {
		for hash, a := range s.series {
			if a.seen >= before {
				continue
			}
			delete(s.series, hash)
			g.active--
			if a.metric.Series--; a.metric.Series == 0 && a.metric.Rejected == 0 {
				delete(s.metrics, a.metric.Metric)
			}
		}
		if len(s.series) == 0 && s.rejected == 0 {
			delete(g.services, name)
		}
	}
}

// cardinality lists the services, the one with the most series first.
func (g *guard) cardinality() []Cardinality {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]Cardinality, 0, len(g.services))
	for name, s := range g.services {
		c := Cardinality{Service: name, Series: len(s.series), Limit: g.perService, Rejected: s.rejected}
		for _, m := range s.metrics {
			c.Metrics = append(c.Metrics, *m)
		}
		slices.SortFunc(c.Metrics, func(a, b MetricCardinality) int {
			return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(b.Rejected, a.Rejected), cmp.Compare(a.Metric, b.Metric))
		})
		c.Metrics = c.Metrics[:min(len(c.Metrics), 20)]
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Cardinality) int {
		return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Service, b.Service))
	})
	return list
}

func (g *guard) series() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.active
}
