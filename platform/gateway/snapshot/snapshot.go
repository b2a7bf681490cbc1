package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// Snapshot is a compiled Document. It never changes, and any number of goroutines may work
// by it while the edge takes the next one into use.
type Snapshot struct {
	*route.Table

	doc    Document
	held   map[string]*held
	chains []*Chain // by Target.Index
}

// held is a filter that this snapshot has, and the one after it if its spec stays.
type held struct {
	spec    filter.Spec
	filter  filter.Filter
	wrapped http.Handler         // nil: no Middleware
	metrics *prometheus.Registry // its own, so that it goes with it
}

// Config says what filters are made with.
type Config struct {
	Makers map[string]filter.Maker // by kind
	// Env is given to each Maker with its Name, and with Metrics where there are to be any:
	// any Registerer that is not nil says so, see [Snapshot.Metrics].
	Env filter.Env
}

// Empty returns the snapshot of an edge that has no routes.
func Empty() *Snapshot {
	table, _ := route.New(nil) // nothing in it can be wrong
	return Of(table)
}

// Of returns the snapshot of a table whose routes have no filters.
func Of(t *route.Table) *Snapshot {
	return &Snapshot{Table: t, doc: Document{Routes: append([]route.Route{}, t.Routes()...)}}
}

// Compile makes a snapshot of a document. Filters that before, which may be nil, has by the
// same name and spec are taken over. ctx ends with the edge. The error is a *problem.Error,
// InvalidArgument, that names what is wrong by its field; before is as good as it was then.
// Once the snapshot is in use, [Snapshot.Retire] ends what before has and it has not.
func Compile(ctx context.Context, doc Document, before *Snapshot, cfg Config) (*Snapshot, error) {
	cfg.Env.Log = cmp.Or(cfg.Env.Log, slog.New(slog.DiscardHandler))
	table, err := route.New(doc.Routes)
	wrong := problem.New(problem.InvalidArgument, "the routing table is not valid")
	if err != nil {
		wrong.Details = problem.From(err).Details
	}
	checkNames(wrong, doc)
	checkServices(wrong, doc, cfg.Env.Callable)
	s := &Snapshot{Table: table, doc: doc, held: map[string]*held{}}
	for _, name := range slices.Sorted(maps.Keys(doc.Filters)) {
		if len(doc.Filters) > MaxFilters || len(wrong.Details) >= maxFindings {
			break
		}
		h := before.same(name, doc.Filters[name])
		if h == nil {
			var err error
			if h, err = hold(ctx, name, doc.Filters[name], cfg); err != nil {
				find(wrong, "filters."+name, err)
				continue
			}
		}
		s.held[name] = h
	}
	if len(wrong.Details) == 0 {
		s.checkOrder(wrong)
	}
	if len(wrong.Details) > 0 || table == nil {
		_ = s.Retire(before) // what was made for nothing
		return nil, wrong
	}
	s.link()
	return s, nil
}

// maxFindings bounds how many mistakes one error names.
const maxFindings = 20

// checkNames finds filters that are named and are none, or named twice.
func checkNames(wrong *problem.Error, doc Document) {
	add := func(field, format string, args ...any) {
		if len(wrong.Details) < maxFindings {
			wrong.Details = append(wrong.Details, problem.Detail{Field: field, Reason: fmt.Sprintf(format, args...)})
		}
	}
	if len(doc.Filters) > MaxFilters {
		add("filters", "must be at most %d", MaxFilters)
	}
	known := slices.Sorted(maps.Keys(doc.Filters))
	check := func(field string, names, before []string) {
		if len(names)+len(before) > MaxChain {
			add(field, "must be at most %d, those of apply among them", MaxChain)
			return
		}
		for i, name := range names {
			at := fmt.Sprintf("%s[%d]", field, i)
			if _, ok := doc.Filters[name]; !ok {
				reason := fmt.Sprintf("there is no filter %.80q", name)
				if near := problem.Near(name, known); len(near) > 0 {
					reason += fmt.Sprintf("; did you mean %q?", near[0])
				}
				add(at, "%s", reason)
			}
			if slices.Contains(names[:i], name) || slices.Contains(before, name) {
				add(at, "the filter %.80q is there twice", name)
			}
		}
	}
	check("apply", doc.Apply, nil)
	for i, r := range doc.Routes {
		if len(wrong.Details) >= maxFindings {
			return
		}
		check(fmt.Sprintf("routes[%d].filters", i), r.Filters, doc.Apply)
	}
}

// find adds what a Maker found wrong.
func find(wrong *problem.Error, field string, err error) {
	e := problem.From(err)
	if len(e.Details) == 0 {
		wrong.Details = append(wrong.Details, problem.Detail{Field: field, Reason: e.Message})
	}
	for _, d := range e.Details {
		at := field + ".with"
		if d.Field != "" {
			at += "." + d.Field
		}
		wrong.Details = append(wrong.Details, problem.Detail{Field: at, Reason: d.Reason})
	}
}

// hold makes a filter.
func hold(ctx context.Context, name string, spec filter.Spec, cfg Config) (*held, error) {
	makes := cfg.Makers[spec.Kind]
	if makes == nil {
		return nil, problem.New(problem.InvalidArgument, "there is no filter of the kind %.80q; the kinds are %v", spec.Kind, slices.Sorted(maps.Keys(cfg.Makers)))
	}
	h := &held{spec: spec}
	env := cfg.Env
	env.Name, env.Log = name, env.Log.With("filter", name)
	if env.Metrics != nil {
		h.metrics = prometheus.NewRegistry()
		env.Metrics = prometheus.WrapRegistererWith(prometheus.Labels{"filter": name}, h.metrics)
	}
	var err error
	if h.filter, err = makes(ctx, env, spec.With); err != nil {
		return nil, err
	}
	if m, ok := h.filter.(filter.Middleware); ok {
		h.wrapped = m.Wrap(http.HandlerFunc(goOn))
	}
	return h, nil
}

// same returns the filter of a name if it was made by the same spec.
func (s *Snapshot) same(name string, spec filter.Spec) *held {
	if s == nil {
		return nil
	}
	h := s.held[name]
	if h == nil || h.spec.Kind != spec.Kind || !bytes.Equal(compact(h.spec.With), compact(spec.With)) {
		return nil
	}
	return h
}

func compact(with json.RawMessage) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, with); err != nil {
		return with
	}
	return out.Bytes()
}

// link makes the chain of each route. Routes with the same filters share one.
func (s *Snapshot) link() {
	made := map[string]*Chain{}
	s.chains = make([]*Chain, len(s.doc.Routes))
	for i, r := range s.doc.Routes {
		names := slices.Concat(s.doc.Apply, r.Filters)
		key := fmt.Sprintf("%q", names)
		c, ok := made[key]
		if !ok {
			list := make([]*held, len(names))
			for k, name := range names {
				list[k] = s.held[name]
			}
			c = newChain(list)
			made[key] = c
		}
		s.chains[i] = c
	}
}

// Chain returns the filters of a route of this snapshot's table.
func (s *Snapshot) Chain(t *route.Target) *Chain {
	if t.Index >= len(s.chains) {
		return nil
	}
	return s.chains[t.Index]
}

// Document returns what the snapshot was made of. It must not be changed.
func (s *Snapshot) Document() Document { return s.doc }

// MarshalJSON writes the [Document].
func (s *Snapshot) MarshalJSON() ([]byte, error) { return json.Marshal(s.doc) }

// Retire closes the filters that next, which is in use now, did not take over; nil: all.
func (s *Snapshot) Retire(next *Snapshot) error {
	if s == nil {
		return nil
	}
	var errs []error
	for name, h := range s.held {
		if next != nil && next.held[name] == h {
			continue
		}
		if c, ok := h.filter.(filter.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Metrics returns the metrics of the filters.
func (s *Snapshot) Metrics() (all prometheus.Gatherers) {
	for _, name := range slices.Sorted(maps.Keys(s.held)) {
		if h := s.held[name]; h.metrics != nil {
			all = append(all, h.metrics)
		}
	}
	return all
}
