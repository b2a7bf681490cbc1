package l4

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// End is how a connection ended.
type End int

// The ends of a connection. All but Ended are seen as a reset by the client, or as a TLS
// alert.
const (
	Ended      End = iota // both sides had no more to send
	Broken                // one of them broke off, and so did we to the other
	Idle                  // it was silent for Config.Idle
	Cut                   // it was left over when the proxy ended
	Full                  // there were Config.Max already
	BadHello              // a TLS client's first message was wrong, too large, or did not come in time
	NoRoute               // nobody is routed at the name it asked for
	NoInstance            // none of the service was there or could be reached
	ends
)

var endNames = [ends]string{"ended", "broken", "idle", "cut", "full", "bad_hello", "no_route", "no_instance"}

// String returns the end's name in metrics, such as "no_route".
func (e End) String() string {
	if e < 0 || e >= ends {
		return "unknown"
	}
	return endNames[e]
}

// Stats is what a Proxy has counted. Accepted is Open and all of Ends together, but for
// what changes while they are read.
type Stats struct {
	Accepted int64
	Open     int64
	Ends     map[End]int64 // only those that there were
	In, Out  int64         // bytes that were passed to instances, and to clients
}

type counts struct {
	accepted, in, out atomic.Int64
	ends              [ends]atomic.Int64
}

func (c *counts) end(e End) { c.ends[e].Add(1) }

// Stats returns what was counted so far.
func (p *Proxy) Stats() Stats {
	c := &p.counts
	s := Stats{Ends: map[End]int64{}, In: c.in.Load(), Out: c.out.Load()}
	var ended int64
	for e := range ends {
		if n := c.ends[e].Load(); n > 0 {
			s.Ends[e] = n
			ended += n
		}
	}
	s.Accepted = c.accepted.Load()
	s.Open = s.Accepted - ended
	return s
}

// Register gives a Proxy's counts to a registry, under the name of its listener.
func (p *Proxy) Register(r prometheus.Registerer, listener string) error {
	label := prometheus.Labels{"listener": listener}
	return r.Register(&collector{
		proxy: p,
		open:  prometheus.NewDesc("muster_l4_connections_open", "TCP connections that are open.", nil, label),
		ends:  prometheus.NewDesc("muster_l4_connections_total", "TCP connections that ended, by how.", []string{"end"}, label),
		bytes: prometheus.NewDesc("muster_l4_bytes_total", "Bytes that were passed on: in to instances, out to clients.", []string{"direction"}, label),
	})
}

type collector struct {
	proxy             *Proxy
	open, ends, bytes *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) { to <- c.open; to <- c.ends; to <- c.bytes }

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.proxy.Stats()
	to <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(s.Open))
	for e := range ends {
		to <- prometheus.MustNewConstMetric(c.ends, prometheus.CounterValue, float64(s.Ends[e]), e.String())
	}
	to <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(s.In), "in")
	to <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(s.Out), "out")
}
