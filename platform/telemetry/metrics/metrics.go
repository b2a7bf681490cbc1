// Package metrics keeps the metrics of a fleet in an embedded Prometheus database: OTLP
// and scraped metrics in, PromQL and Prometheus' HTTP API out, so that Grafana and
// promtool work with it.
//
// What OTLP brings is named after the OpenTelemetry specification, "Prometheus and
// OpenMetrics Compatibility": http.server.request.duration in s is the histogram
// http_server_request_duration_seconds, a monotonic sum ends in _total, the label job is
// the service, instance its instance, and target_info has the rest of the resource.
package metrics

import (
	"log/slog"
	"time"

	"github.com/musterdev/muster/platform/telemetry/metrics/scrape"
	"github.com/musterdev/muster/problem"
)

// ErrFull is why metrics cannot be kept: the disk has no room.
var ErrFull = problem.New(problem.Unavailable, "the metrics store has no room left on its disk: free some, or set telemetry.retention lower")

// ErrClosed is the error of a database that was closed.
var ErrClosed = problem.New(problem.Unavailable, "the metrics store is closed")

// Target is a program whose /metrics is scraped.
type Target = scrape.Target

// Config tells how a database is kept. The zero value is good for a laptop.
type Config struct {
	Log *slog.Logger     // nil: discarded
	Now func() time.Time // nil: time.Now

	Retention time.Duration // how long samples are kept; 0: 15 days
	Bytes     int64         // how large all blocks together get on the disk before the oldest go; 0: 2 GiB

	// Namespace is the service.namespace that everything in the fleet has; it is left
	// out of job. A service of another namespace has the job "namespace/service".
	Namespace string

	SeriesPerService int           // how many series of a service may be active; 0: 10,000
	Series           int           // how many series of all may be active; 0: 200,000
	Idle             time.Duration // how long after its last sample a series is active; 0: 1 h

	OutOfOrder time.Duration // how late a sample may be, when its series went on; 0: 10 min
	Ahead      time.Duration // how far ahead of our clock a sample may be; 0: 10 min
	Reserve    int64         // bytes that stay free on the disk: below, nothing is taken; 0: 64 MiB

	Timeout    time.Duration // of a query; 0: 30 s
	MaxSamples int           // that a query may hold in memory; 0: 20 million (16 bytes each)

	// Targets names what is scraped every ScrapeEvery (0: 10 s); nil: nothing. It is
	// asked each time.
	Targets     func() []Target
	ScrapeEvery time.Duration
}

// withDefaults returns c with the zero values replaced.
func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	orDefault(&c.Retention, 15*24*time.Hour)
	orDefault(&c.Bytes, 2<<30)
	orDefault(&c.SeriesPerService, 10_000)
	orDefault(&c.Series, 200_000)
	orDefault(&c.Idle, time.Hour)
	orDefault(&c.OutOfOrder, 10*time.Minute)
	orDefault(&c.Ahead, 10*time.Minute)
	orDefault(&c.Reserve, 64<<20)
	orDefault(&c.Timeout, 30*time.Second)
	orDefault(&c.MaxSamples, 20_000_000)
	orDefault(&c.ScrapeEvery, 10*time.Second)
	return c
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
