package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// filterTimeout bounds what a filter asks of somebody, where it says nothing shorter.
const filterTimeout = 10 * time.Second

// compiler makes snapshots, with filters that work with what this edge has. ctx ends with
// the edge.
func (e *edge) compiler(ctx context.Context) func(snapshot.Document) (*snapshot.Snapshot, error) {
	makers := Makers()
	maps.Copy(makers, userMakers(e.cfg.Middleware))
	cfg := snapshot.Config{Makers: makers, Env: filter.Env{
		Log: e.log, HTTP: &http.Client{Timeout: filterTimeout}, Metrics: e.metrics, Bus: e.cfg.Bus, Store: e.cfg.Store, Dir: e.cfg.StateDir,
		Callable: e.cfg.callable(),
		Service: func(name string) *http.Client {
			return &http.Client{Transport: e.caller.Transport(name), CheckRedirect: call.StayWithin, Timeout: filterTimeout}
		},
	}}
	return func(doc snapshot.Document) (*snapshot.Snapshot, error) {
		return snapshot.Compile(ctx, doc, e.gateway.Snapshot(), cfg)
	}
}

// putRoutes takes a document into use once it is on disk, so that what the edge does is
// what it would do after a restart.
func (e *edge) putRoutes(r *http.Request) (*snapshot.Snapshot, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, route.MaxDocument+1))
	if err != nil {
		return nil, problem.Wrap(err, problem.InvalidArgument, "the routing table cannot be read")
	}
	doc, err := snapshot.Parse(data)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.mayChange(); err != nil {
		return nil, err
	}
	next, err := e.compile(doc)
	if err != nil {
		return nil, err
	}
	if err := e.keepRoutes(data); err != nil {
		_ = next.Retire(e.gateway.Snapshot()) // what it would have begun
		return nil, err
	}
	e.use(next)
	return next, nil
}

// keepRoutes writes the document the edge begins with.
func (e *edge) keepRoutes(data []byte) error {
	if e.cfg.Routes == "" {
		return nil
	}
	var file bytes.Buffer
	if err := json.Indent(&file, data, "", "  "); err != nil {
		return problem.Wrap(err, problem.Internal, "the routing table cannot be written")
	}
	file.WriteByte('\n')
	if err := writeFile(e.cfg.Routes, file.Bytes()); err != nil {
		return problem.Wrap(err, problem.Internal, "the routing table cannot be kept, so the old one stays: %s", err)
	}
	return nil
}

// use takes a snapshot into use; e.mu is held, or nobody else is there.
func (e *edge) use(next *snapshot.Snapshot) {
	before := e.gateway.Use(next)
	e.since = time.Now()
	e.log.Info("a routing table is in use", "routes", next.Len(), "filters", len(next.Document().Filters))
	if err := before.Retire(next); err != nil {
		e.log.Warn("a filter that is used no more did not end well", "error", err)
	}
}

// loadRoutes takes into use what the edge begins with: the file, else the Table.
func (e *edge) loadRoutes() error {
	e.since = e.started
	doc, from := e.cfg.Table, "table"
	if e.cfg.Routes != "" {
		data, err := os.ReadFile(e.cfg.Routes)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			read, err := snapshot.Parse(data)
			if err != nil {
				return problem.Wrap(err, problem.InvalidArgument, "%s holds no routing table", e.cfg.Routes)
			}
			doc, from = &read, e.cfg.Routes
		}
	}
	if doc == nil {
		return nil
	}
	next, err := e.compile(*doc)
	if err != nil {
		return problem.Wrap(err, problem.InvalidArgument, "%s holds no routing table", from)
	}
	e.use(next)
	return nil
}
