package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/certs"
	"github.com/musterdev/muster/platform/gateway/filter"
)

// secure is what an edge has that speaks TLS too.
type secure struct {
	tls  net.Listener  // plain connections, to be encrypted; nil: no TLS
	keep *certs.Keeper // nil: no TLS
}

// openTLS opens the port of TLS beside the plain one. What comes there is served by the same
// engine.
func (e *edge) openTLS(ctx context.Context, plain net.Addr, closing *closers) error {
	if e.cfg.TLS == nil {
		return nil
	}
	l, err := e.listenAt(ctx, "tls", e.cfg.TLS.Address(), e.cfg.TLSListener)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	closing.add(func() error { _ = l.Close(); return nil }) // most often the engine has
	var dir string
	if e.cfg.StateDir != "" {
		dir = filepath.Join(e.cfg.StateDir, "tls")
	}
	keep, err := certs.Open(ctx, *e.cfg.TLS, certs.Env{Dir: dir, Log: e.log, Plain: plain, TLS: l.Addr()})
	if err != nil {
		return err
	}
	closing.add(keep.Close)
	if err := e.metrics.Register(newExpiries(keep)); err != nil {
		return err
	}
	e.tls, e.keep = l, keep
	e.ways = append(e.ways, entrance{name: "TLS at " + l.Addr().String(), listen: tls.NewListener(l, keep.Server())})
	return nil
}

// front answers what the edge itself is asked at its plain port: whether a host leads here,
// and where it is encrypted. rawPath is the path as it came.
func (e *edge) front(r *filter.Request, rawPath string) error {
	if e.keep == nil || r.TLS != nil {
		return nil
	}
	if r.Method == http.MethodGet {
		if answer, ok := e.keep.Challenge(r.Host, r.Path); ok {
			return &filter.Answer{Status: http.StatusOK, Header: filter.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, Body: answer}
		}
	}
	if !e.cfg.TLS.Redirect {
		return nil
	}
	to := "https://" + r.Host
	if _, port, err := net.SplitHostPort(cmp.Or(e.tls.Addr().String(), e.cfg.TLS.Address())); err == nil && port != "443" {
		to += ":" + port
	}
	to += rawPath
	if r.Query != "" {
		to += "?" + r.Query
	}
	return &filter.Answer{Status: http.StatusPermanentRedirect, Header: filter.Header{{Name: "Location", Value: to}}}
}

// certificates lists what clients are shown.
func (e *edge) certificates() []certs.Certificate {
	if e.keep == nil {
		return []certs.Certificate{}
	}
	return e.keep.Status()
}

// expiries tells Prometheus when certificates end.
type expiries struct {
	what *prometheus.Desc
	keep *certs.Keeper
}

func newExpiries(keep *certs.Keeper) expiries {
	return expiries{prometheus.NewDesc("muster_edge_certificate_expires_timestamp_seconds",
		"When a certificate that clients are shown ends; 0: there is none yet.", []string{"host", "source"}, nil), keep}
}

// Describe implements prometheus.Collector.
func (e expiries) Describe(to chan<- *prometheus.Desc) { to <- e.what }

// Collect implements prometheus.Collector.
func (e expiries) Collect(to chan<- prometheus.Metric) {
	seen := map[string]bool{} // the first of two certificates for one host
	for _, c := range e.keep.Status() {
		for _, host := range c.Hosts {
			if key := c.Source + " " + host; !seen[key] {
				seen[key] = true
				to <- prometheus.MustNewConstMetric(e.what, prometheus.GaugeValue, seconds(c.Expires), host, c.Source)
			}
		}
	}
}

func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.Unix())
}
