// Package promapi serves Prometheus' HTTP API, /api/v1/..., over a storage of its kind:
// what Grafana, promtool and other clients ask to query
// (https://prometheus.io/docs/prometheus/latest/querying/api/). The API of alerts, rules
// and targets, and that which changes something, is not there. Statistics of queries
// (stats=) are not computed.
package promapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// MaxPoints is how many steps a range may have, as in Prometheus.
const MaxPoints = 11_000

// Version is that of the Prometheus whose code answers.
const Version = "3.16.0"

const longestForm = 1 << 20 // bytes of a POST

// Config tells what is served.
type Config struct {
	Storage   storage.Queryable
	Exemplars storage.ExemplarQueryable
	Engine    *promql.Engine
	Parser    parser.Parser
	Meta      func() map[string]sample.Meta
	Head      func(limit int) (*tsdb.Stats, int64, error) // what is in memory, and how many chunks
	Timeout   time.Duration                               // the longest of a request; 0: 2 min
	Now       func() time.Time                            // nil: time.Now
	Log       *slog.Logger                                // nil: discarded
}

// New returns the handler of /api/v1/.
func New(cfg Config) http.Handler {
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &api{cfg}
	mux := http.NewServeMux()
	for path, f := range map[string]answerer{
		"query": a.query, "query_range": a.queryRange, "query_exemplars": a.exemplars, "format_query": a.format,
		"series": a.series, "labels": a.labelNames,
	} {
		mux.Handle("GET /api/v1/"+path, a.handler(f))
		mux.Handle("POST /api/v1/"+path, a.handler(f))
	}
	mux.Handle("GET /api/v1/label/{name}/values", a.handler(a.labelValues))
	mux.Handle("GET /api/v1/metadata", a.handler(a.metadata))
	mux.Handle("GET /api/v1/status/buildinfo", a.handler(a.buildInfo))
	mux.Handle("GET /api/v1/status/tsdb", a.handler(a.status))
	mux.Handle("/api/v1/", a.handler(func(_ context.Context, r *http.Request) (answer, error) {
		return answer{}, failure{notFound, errors.New("there is no " + r.Method + " " + r.URL.Path + " here")}
	}))
	return mux
}

type api struct{ cfg Config }

// answer is what a request is answered with.
type answer struct {
	data  any // what encoding/json knows, or a parser.Value, or a stream
	notes annotations.Annotations
	query string // that the notes speak of
	close func()
}

type answerer func(context.Context, *http.Request) (answer, error)

// failure is an error of a kind that the API knows.
type failure struct {
	kind kind
	err  error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

// kind is Prometheus' errorType.
type kind string

const (
	badData   kind = "bad_data"
	execution kind = "execution"
	timeout   kind = "timeout"
	canceled  kind = "canceled"
	internal  kind = "internal"
	notFound  kind = "not_found"
)

// status is the HTTP status that Prometheus gives an error of the kind.
func (k kind) status() int {
	switch k {
	case badData:
		return http.StatusBadRequest
	case execution:
		return http.StatusUnprocessableEntity
	case timeout:
		return http.StatusServiceUnavailable
	case canceled:
		return 499
	case notFound:
		return http.StatusNotFound
	case internal:
	}
	return http.StatusInternalServerError
}

// kindOf finds out what kind an error is.
func kindOf(err error) kind {
	if f, ok := errors.AsType[failure](err); ok {
		return f.kind
	}
	if _, ok := errors.AsType[promql.ErrQueryTimeout](err); ok {
		return timeout
	}
	if _, ok := errors.AsType[promql.ErrQueryCanceled](err); ok {
		return canceled
	}
	if _, ok := errors.AsType[promql.ErrStorage](err); ok {
		return internal
	}
	switch {
	case errors.Is(err, context.Canceled):
		return canceled
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	}
	return execution
}

// handler answers with what f returns.
func (a *api) handler(f answerer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, longestForm)
		ans, err := a.answer(r, f)
		if ans.close != nil {
			defer ans.close()
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			k := kindOf(err)
			if k == internal {
				a.cfg.Log.Error("a question about metrics failed", "path", r.URL.Path, "err", err)
			}
			w.WriteHeader(k.status())
			writeError(w, k, err)
			return
		}
		if err := writeAnswer(w, ans); err != nil && r.Context().Err() == nil {
			a.cfg.Log.Error("an answer about metrics broke off", "path", r.URL.Path, "err", err)
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to let the client see that it is not whole
		}
	})
}

func (a *api) answer(r *http.Request, f answerer) (answer, error) {
	if err := r.ParseForm(); err != nil {
		return answer{}, failure{badData, err}
	}
	ctx, cancel, err := a.bound(r)
	if err != nil {
		return answer{}, err
	}
	ans, err := f(ctx, r)
	inner := ans.close
	ans.close = func() {
		if inner != nil {
			inner()
		}
		cancel()
	}
	return ans, err
}

// buildInfo tells what answers: clients choose what they ask by it.
func (a *api) buildInfo(context.Context, *http.Request) (answer, error) {
	return answer{data: map[string]string{
		"version": Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}}, nil
}
