// Package telemetry keeps the traces, metrics and logs of a fleet and answers questions
// about them: an OTLP backend in one value, with the read interfaces of Prometheus and
// Jaeger besides its own. Its parts are the folders below: otlp takes in, store and
// metrics keep, graph draws the map, query, jaeger and metrics answer.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/jaeger"
	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/forward"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// Config says where telemetry is kept, for how long, and where else it goes.
type Config struct {
	Dir string // made when missing; one process at a time
	// Retention is how long traces and logs are kept, by service; "*" is all others, by
	// default 7 days. Metrics are kept as long as "*" says, by default 15 days.
	Retention map[string]time.Duration
	Export    string            // URL of an OTLP backend that gets all of it too, over HTTP; "": none
	Headers   map[string]string // sent to Export, such as an API key
	Namespace string            // service.namespace of the fleet, left out of metrics' labels

	// Overview answers query.Overview; nil: it cannot be asked for.
	Overview func(ctx context.Context, window time.Duration) (query.Overview, error)
	// Targets are the programs whose /metrics is scraped; nil: none.
	Targets func() []metrics.Target

	Log *slog.Logger     // nil: discarded
	Now func() time.Time // nil: time.Now
}

// Telemetry is an open store with all that fills and reads it. Its methods may be called
// concurrently.
type Telemetry struct {
	Store   *store.Store
	Metrics *metrics.DB

	cfg      Config
	since    time.Time
	receiver *otlp.Receiver
	graph    *graph.Graph
	live     *query.Live
	api      *query.API
	export   *forward.Forwarder        // nil: none
	full     atomic.Pointer[time.Time] // when the disk had no room the last time; nil: never
}

// others stands in Config.Retention for the services that are not named.
const others = "*"

// Open opens what is kept in a folder. Run it, and Close it at the end.
func Open(cfg Config) (*Telemetry, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	t := &Telemetry{cfg: cfg, since: cfg.Now(), graph: graph.New(graph.Config{Now: cfg.Now}), live: query.NewLive(cfg.Now)}
	var err error
	if t.Store, err = store.Open(filepath.Join(cfg.Dir, "traces"), cfg.store()); err != nil {
		return nil, err
	}
	t.Metrics, err = metrics.Open(filepath.Join(cfg.Dir, "metrics"), metrics.Config{
		Log: cfg.Log, Now: cfg.Now, Retention: cfg.Retention[others], Namespace: cfg.Namespace, Targets: cfg.Targets,
	})
	if err != nil {
		return nil, errors.Join(err, t.Store.Close())
	}
	t.receiver = &otlp.Receiver{Sink: t.take, Metrics: t.points, Log: cfg.Log, Now: cfg.Now}
	if cfg.Export != "" {
		t.export, err = forward.New(forward.Config{Endpoint: cfg.Export, Headers: cfg.Headers, Dir: filepath.Join(cfg.Dir, "export"), Log: cfg.Log})
		if err != nil {
			return nil, errors.Join(err, t.Store.Close(), t.Metrics.Close())
		}
		t.receiver.Forward = t.export.Push
	}
	t.api = query.New(query.Config{
		Store: t.Store, Graph: t.graph, Live: t.live, Overview: cfg.Overview, Health: t.Health, Now: cfg.Now, Log: cfg.Log,
	})
	return t, nil
}

// store says how long what is kept.
func (cfg Config) store() store.Config {
	c := store.Config{Log: cfg.Log, Now: cfg.Now, Retention: store.Limit{Age: cfg.Retention[others]}, Services: map[string]store.Limit{}}
	for service, age := range cfg.Retention {
		if service != others {
			c.Services[service] = store.Limit{Age: age}
		}
	}
	return c
}

// take keeps what one request brought, and tells those who watch.
func (t *Telemetry) take(ctx context.Context, b signal.Batch) error {
	if err := t.noted(t.Store.Append(ctx, b)); err != nil {
		return err
	}
	t.graph.Add(b.Spans)
	t.live.Add(b)
	return nil
}

// points keeps metrics.
func (t *Telemetry) points(ctx context.Context, req *collectmetrics.ExportMetricsServiceRequest) (rejected int64, why string, err error) {
	rejected, why, err = t.Metrics.Append(ctx, req)
	return rejected, why, t.noted(err)
}

// noted remembers when err says that the disk is full, and returns it.
func (t *Telemetry) noted(err error) error {
	if errors.Is(err, signal.ErrFull) || errors.Is(err, metrics.ErrFull) {
		now := t.cfg.Now()
		t.full.Store(&now)
	}
	return err
}

// Run does what is to be done in the background until ctx ends; then it returns nil.
func (t *Telemetry) Run(ctx context.Context) error {
	work := []func(context.Context) error{t.Store.Run, t.Metrics.Run, func(ctx context.Context) error {
		if err := t.graph.Rebuild(ctx, t.Store); err != nil && ctx.Err() == nil {
			t.cfg.Log.WarnContext(ctx, "the map begins without what was before", "error", err)
		}
		return nil
	}}
	if t.export != nil {
		work = append(work, t.export.Run)
	}
	var all sync.WaitGroup
	errs := make([]error, len(work))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, do := range work {
		all.Go(func() {
			if errs[i] = do(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Close ends the use of the folder.
func (t *Telemetry) Close() error {
	var export error
	if t.export != nil {
		export = t.export.Close()
	}
	return errors.Join(t.Store.Close(), t.Metrics.Close(), export)
}

// GRPC returns a new server that takes OTLP.
func (t *Telemetry) GRPC() *grpc.Server {
	s := grpc.NewServer(t.receiver.ServerOptions()...)
	t.receiver.Register(s)
	return s
}

// Intake are the handlers of OTLP, over HTTP and over gRPC without TLS, by patterns of
// http.ServeMux.
func (t *Telemetry) Intake() map[string]http.Handler {
	in, server := t.receiver.Handler(), t.GRPC()
	calls := t.receiver.Bounded(server)
	all := map[string]http.Handler{"/v1/traces": in, "/v1/metrics": in, "/v1/logs": in}
	for service := range server.GetServiceInfo() {
		all["/"+service+"/"] = calls
	}
	return all
}

// Answers are the handlers of questions, by patterns of http.ServeMux.
func (t *Telemetry) Answers() map[string]http.Handler {
	prometheus := t.Metrics.Handler()
	answers := map[string]http.Handler{
		"/v1/telemetry/": t.api.Handler(),
		"/api/":          jaeger.New(jaeger.Config{Store: t.Store, Graph: t.graph, Now: t.cfg.Now}),
		"/api/v1/":       prometheus,
		"/metrics":       prometheus,
	}
	return answers
}

// Graph is what the spans tell of who calls whom.
func (t *Telemetry) Graph() *graph.Graph { return t.graph }

// Stream answers GET /v1/stream, for as long as it is read.
func (t *Telemetry) Stream() http.Handler { return t.api.Stream() }

// Keep stores what the platform itself has to say, as if it had been received.
func (t *Telemetry) Keep(ctx context.Context, b signal.Batch) error { return t.take(ctx, b) }
