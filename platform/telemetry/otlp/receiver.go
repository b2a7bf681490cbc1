// Package otlp receives telemetry by the OpenTelemetry protocol (OTLP 1.11): over HTTP
// in protobuf and JSON, and over gRPC. It checks and bounds what comes in, hands spans
// and log records on as [signal.Batch] and metrics as they are, and counts everything:
// what was received is what was stored and what was dropped, exactly.
//
// What a sender gets wrong in one span costs that span, never the request: it is left
// out, counted under a reason of this package and told to the sender as OTLP's partial
// success. What can be made right (a text that is too long, a span that ends before it
// began) is kept and counted as repaired.
package otlp

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The signals as OTLP's paths name them: /v1/traces, /v1/metrics, /v1/logs.
const (
	Traces  = wire.Traces
	Metrics = wire.Metrics
	Logs    = wire.Logs
)

// Receiver is where telemetry arrives. Its fields are set before its first use and not
// changed afterwards; it must not be copied. Its methods may be called concurrently.
type Receiver struct {
	// Sink keeps what one request brought, or fails and keeps nothing of it. The texts of
	// the batch are parts of one copy of the request, and Resource is shared by the spans
	// of a resource: who keeps a few of them for long clones them, nobody changes them.
	// An error with the code unavailable, resource_exhausted, deadline_exceeded or
	// canceled asks the sender to send the request again, after its RetryAfter; any other
	// error, and a panic, drops what the request brought. A nil Sink refuses spans and logs.
	Sink func(ctx context.Context, b signal.Batch) error

	// Metrics keeps the data points of one service. It may reject some of them and say
	// why. Errors mean what Sink's do. The request is its own from then on. A nil Metrics
	// refuses metrics.
	Metrics func(ctx context.Context, req *collectmetrics.ExportMetricsServiceRequest) (rejected int64, why string, err error)

	// Forward gets each request that was taken, in protobuf, with all that was left out
	// here. It must not keep or change body after it returned. signal is Traces, Metrics
	// or Logs. May be nil.
	Forward func(signal string, body []byte)

	Limits Limits
	Log    *slog.Logger     // nil: discard
	Now    func() time.Time // nil: time.Now

	inFlight atomic.Int64 // bytes
	calls    atomic.Int64 // over gRPC
	buffers  sync.Pool    // *[]byte
	zips     sync.Pool    // *gzip.Reader
	tally    tally
}

// Limits bound what is taken. A zero field has its default.
type Limits struct {
	Body       int64         // bytes of a request, unpacked: 16 MiB
	InFlight   int64         // bytes of all requests being worked on: 64 MiB. They take about four times as much memory
	Items      int           // spans, records or points of a request: 65,536
	Services   int           // names of services: 1,000
	Attributes int           // of a span, record, event, link or resource; also events and links of a span: 128
	Value      int           // bytes of a text, such as an attribute's value, and of a whole resource: 64 KiB
	Item       int           // bytes of a span or record after its texts were cut: 1 MiB
	Ahead      time.Duration // how far in the future a time may lie: 1 day
	Old        time.Duration // how far in the past: 30 days
	Read       time.Duration // how long a request may take to arrive, and a call over gRPC altogether: 30 s
	Calls      int           // over gRPC at once: 64
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Body:       cmp.Or(l.Body, 16<<20),
		InFlight:   cmp.Or(l.InFlight, 64<<20),
		Items:      cmp.Or(l.Items, 1<<16),
		Services:   cmp.Or(l.Services, 1000),
		Attributes: cmp.Or(l.Attributes, 128),
		Value:      cmp.Or(l.Value, 64<<10),
		Item:       cmp.Or(l.Item, 1<<20),
		Ahead:      cmp.Or(l.Ahead, 24*time.Hour),
		Old:        cmp.Or(l.Old, 30*24*time.Hour),
		Read:       cmp.Or(l.Read, 30*time.Second),
		Calls:      cmp.Or(l.Calls, 64),
	}
}

func (r *Receiver) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Receiver) log() *slog.Logger {
	if r.Log != nil {
		return r.Log
	}
	return slog.New(slog.DiscardHandler)
}
