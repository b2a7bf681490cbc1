package l4

import (
	"cmp"
	"net"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Register gives what is counted to a registry, by listener. An address that has neither a
// listener nor connections is not there.
func (p *Ports) Register(r prometheus.Registerer) error {
	const listener = "listener"
	return r.Register(&collector{
		ports: p,
		open:  prometheus.NewDesc("muster_edge_tcp_connections_open", "TCP connections that are open.", []string{listener}, nil),
		ends:  prometheus.NewDesc("muster_edge_tcp_connections_total", "TCP connections that ended, by how.", []string{listener, "end"}, nil),
		bytes: prometheus.NewDesc("muster_edge_tcp_bytes_total", "Bytes that were passed on: in to instances, out to clients.", []string{listener, "direction"}, nil),
	})
}

type collector struct {
	ports             *Ports
	open, ends, bytes *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) { to <- c.open; to <- c.ends; to <- c.bytes }

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	for _, one := range c.ports.List() {
		to <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(one.Stats.Open), one.Addr)
		for e := range ends {
			to <- prometheus.MustNewConstMetric(c.ends, prometheus.CounterValue, float64(one.Stats.Ends[e]), one.Addr, e.String())
		}
		to <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(one.Stats.In), one.Addr, "in")
		to <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(one.Stats.Out), one.Addr, "out")
	}
}

// compareAddr orders addresses by their ports, then their hosts.
func compareAddr(a, b string) int {
	hostA, portA, _ := net.SplitHostPort(a) // both were listened at
	hostB, portB, _ := net.SplitHostPort(b)
	numberA, _ := strconv.Atoi(portA) // a name of a port counts as 0
	numberB, _ := strconv.Atoi(portB)
	return cmp.Or(cmp.Compare(numberA, numberB), cmp.Compare(hostA, hostB), cmp.Compare(portA, portB))
}
