// Package forward sends telemetry on to another OTLP backend: every request that came
// in, from a bounded queue on the disk that survives restarts. What cannot be sent waits
// there; when it is full the oldest goes, counted.
//
// A request may arrive twice at the backend when the process died between sending it and
// noting that.
package forward

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
)

// The protocols, named as OTEL_EXPORTER_OTLP_PROTOCOL names them.
const (
	HTTP = "http/protobuf"
	GRPC = "grpc"
)

// Config says where to send to. Endpoint and Dir are required.
type Config struct {
	Endpoint string            // base URL, such as https://otlp.example.com:4318; over HTTP /v1/traces and so on are added
	Protocol string            // HTTP (the default) or GRPC
	Headers  map[string]string // sent with each request, such as an API key; over gRPC as metadata
	TLS      *tls.Config       // of https; nil: the system's roots
	Dir      string            // the queue's folder; made where it is missing; of one process at a time
	Bytes    int64             // of the queue, all signals together: default 256 MiB
	Timeout  time.Duration     // of one try: default 10 s
	Backoff  time.Duration     // the pause after a first failure, doubled up to 30 times itself: default 1 s
	Log      *slog.Logger      // nil: discard
}

// Forwarder sends what was pushed. Its methods may be called concurrently.
type Forwarder struct {
	cfg      Config
	shown    string // the endpoint without what is secret
	log      *slog.Logger
	exporter exporter

	mu      sync.Mutex
	queues  map[string]*queue
	sent    map[string]int64
	dropped map[string]int64
	fault   string // why the last try failed; "" after one that did not
	told    time.Time
	closed  bool
}

// Health tells how sending fares.
type Health struct {
	Endpoint string           // without what is secret in it
	Sent     map[string]int64 // spans, logs and points that the backend took, since New
	Dropped  map[string]int64 // those that it refused, or that the queue had no room for
	Waiting  int64            // bytes in the queue
	Error    string           // why the last try failed; "" after one that did not
}

// units is what each signal is counted in.
var units = map[string]string{wire.Traces: "spans", wire.Metrics: "points", wire.Logs: "logs"}

// New checks the configuration and opens the queue, with all that still waits in it.
func New(cfg Config) (*Forwarder, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("telemetry export: the endpoint is %q: it must be a URL such as http://127.0.0.1:4318 or https://otlp.example.com", cfg.Endpoint)
	}
	cfg.Protocol = cmp.Or(cfg.Protocol, HTTP)
	cfg.Bytes = cmp.Or(cfg.Bytes, 256<<20)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Backoff = cmp.Or(cfg.Backoff, time.Second)
	if cfg.Dir == "" {
		return nil, errors.New("telemetry export: it needs a folder for its queue")
	}
	f := &Forwarder{cfg: cfg, shown: u.Redacted(), log: cfg.Log, queues: map[string]*queue{}, sent: map[string]int64{}, dropped: map[string]int64{}}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	switch cfg.Protocol {
	case HTTP:
		f.exporter = newOverHTTP(u, cfg)
	case GRPC:
		if f.exporter, err = newOverGRPC(u, cfg); err != nil {
			return nil, fmt.Errorf("telemetry export to %s: %w", f.shown, err)
		}
	default:
		return nil, fmt.Errorf("telemetry export: the protocol is %q: it must be %s or %s", cfg.Protocol, HTTP, GRPC)
	}
	for sig := range units {
		q, err := openQueue(filepath.Join(cfg.Dir, sig), segmentSize(cfg.Bytes))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("telemetry export: its queue: %w", err), f.Close())
		}
		f.queues[sig] = q
	}
	return f, nil
}

// segmentSize lets the queue lose small shares of itself when it is full.
func segmentSize(all int64) int64 { return max(min(all/16, 8<<20), 4<<10) }

// Push puts a request in protobuf into the queue; its signature is that of
// otlp.Receiver.Forward. It keeps nothing of body. What cannot be kept is counted as
// dropped.
func (f *Forwarder) Push(signal string, body []byte) {
	items, _, err := wire.Count(signal, string(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queues[signal]
	if q == nil || err != nil || f.closed || len(body) == 0 {
		if q != nil {
			f.dropped[units[signal]] += items
		}
		return
	}
	need := int64(len(body)) + header
	if need > f.cfg.Bytes {
		f.drop(signal, items, fmt.Errorf("a request of %d bytes is larger than the queue", len(body)))
		return
	}
	for f.waiting()+need > f.cfg.Bytes && f.dropOldest() {
		continue // dropOldest fails only where nothing waits, and then there is room
	}
	if err := q.push(body, items); err != nil {
		f.drop(signal, items, err)
	}
}

func (f *Forwarder) waiting() int64 {
	var n int64
	for _, q := range f.queues {
		n += q.bytes()
	}
	return n
}

// dropOldest drops the oldest piece of the longest queue.
func (f *Forwarder) dropOldest() bool {
	longest := ""
	for sig, q := range f.queues {
		if n := q.bytes(); n > 0 && (longest == "" || n > f.queues[longest].bytes()) {
			longest = sig
		}
	}
	if longest == "" {
		return false
	}
	f.drop(longest, f.queues[longest].dropOldest(), errors.New("the queue is full"))
	return true
}

// drop counts what is lost, and says so once a minute.
func (f *Forwarder) drop(signal string, items int64, why error) {
	f.dropped[units[signal]] += items
	f.fault = why.Error()
	if now := time.Now(); now.Sub(f.told) >= time.Minute {
		f.told = now
		f.log.Warn("telemetry was not sent on, and dropped", "to", f.shown, "what", units[signal], "count", items, "error", why)
	}
}

// Health returns how sending fares.
func (f *Forwarder) Health() Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Health{Endpoint: f.shown, Sent: maps.Clone(f.sent), Dropped: maps.Clone(f.dropped), Waiting: f.waiting(), Error: f.fault}
}

// Run sends what waits until ctx ends; then it returns nil. What was not sent stays in
// the queue for the next time.
func (f *Forwarder) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for sig, q := range f.queues {
		all.Go(func() { f.send(ctx, sig, q) })
	}
	all.Wait()
	return nil
}

// Close closes the queue; call it after Run returned. What is pushed afterwards is dropped.
func (f *Forwarder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	var errs []error
	for _, q := range f.queues {
		errs = append(errs, q.close())
	}
	if f.exporter != nil {
		errs = append(errs, f.exporter.close())
	}
	return errors.Join(errs...)
}

// reason makes one short line of an error from the other side.
func reason(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + " ..."
	}
	return s
}
