package query

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Config is whom the questions are put to. Store is needed; a question whose source is
// nil is answered with 501.
type Config struct {
	Store    signal.Store
	Graph    *graph.Graph
	Live     *Live
	Overview func(ctx context.Context, window time.Duration) (Overview, error)
	Health   func() Health
	Deadline time.Duration    // of an answer, after which lists are cut short and say More; default 10 s
	Now      func() time.Time // default time.Now
	Log      *slog.Logger     // nil: none
}

// API answers questions about telemetry. Its methods may be called concurrently.
type API struct {
	cfg   Config
	names names
}

// New returns an API.
func New(cfg Config) *API {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Deadline <= 0 {
		cfg.Deadline = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &API{cfg: cfg}
}

// prefix is where the handler is mounted.
const prefix = "/v1/telemetry/"

// Handler answers the GET requests that the types of this package name; their paths
// begin with /v1/telemetry/. Whatever is wrong with one is said in a problem document;
// 400 names the parameter.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, s := range map[string]struct {
		takes string // parameters, separated by spaces
		serve func(http.ResponseWriter, *http.Request, *params) error
	}{
		"services":     {"", a.getServices},
		"traces":       {spanParams + " slowest", a.getTraces},
		"points":       {spanParams, a.getPoints},
		"traces/{id}":  {"", a.getTrace},
		"why/{id}":     {"", a.getWhy},
		"ids/{digits}": {"", a.getIDs},
		"logs":         {"from until limit " + logParams, a.getLogs},
		"logs/stream":  {logParams, a.streamLogs},
		"map":          {"window", a.getMap},
		"overview":     {"window", a.getOverview},
		"health":       {"", a.getHealth},
	} {
		mux.Handle(prefix+path, a.get(s.takes, s.serve))
	}
	mux.HandleFunc("/", notFound)
	return mux
}
