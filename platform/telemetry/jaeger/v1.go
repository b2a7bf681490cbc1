package jaeger

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// traceV1 is a trace of version 1. Times are microseconds.
type traceV1 struct {
	ID        string               `json:"traceID"`
	Spans     []spanV1             `json:"spans"`
	Processes map[string]processV1 `json:"processes"`
	Warnings  []string             `json:"warnings"`
}

type spanV1 struct {
	Trace      string        `json:"traceID"`
	ID         string        `json:"spanID"`
	Flags      int           `json:"flags"`
	Name       string        `json:"operationName"`
	References []referenceV1 `json:"references"`
	Start      int64         `json:"startTime"`
	Duration   int64         `json:"duration"`
	Tags       []tagV1       `json:"tags"`
	Logs       []logV1       `json:"logs"`
	Process    string        `json:"processID"`
	Warnings   []string      `json:"warnings"`
}

type referenceV1 struct {
	Type  string `json:"refType"`
	Trace string `json:"traceID"`
	Span  string `json:"spanID"`
}

type tagV1 struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type logV1 struct {
	Time   int64   `json:"timestamp"`
	Fields []tagV1 `json:"fields"`
}

type processV1 struct {
	Service string  `json:"serviceName"`
	Tags    []tagV1 `json:"tags"`
}

// servicesOf returns the services that sent spans.
func (a *api) servicesOf() list[string] {
	names := list[string]{}
	for _, u := range a.cfg.Store.Usage() {
		if u.Spans > 0 {
			names = append(names, u.Service)
		}
	}
	slices.Sort(names)
	return names
}

func (a *api) services(*http.Request) (any, error) { return a.servicesOf(), nil }

func (a *api) operationNames(r *http.Request) (any, error) {
	operations, err := a.operationsOf(r.Context(), r.PathValue("service"), "")
	if err != nil {
		return nil, err
	}
	names := list[string]{}
	for _, o := range operations {
		names = append(names, o.Name)
	}
	return slices.Compact(names), nil
}

func (a *api) operations(r *http.Request) (any, error) {
	v := r.URL.Query()
	operations, err := a.operationsOf(r.Context(), v.Get("service"), v.Get("spanKind"))
	if err != nil {
		return nil, err
	}
	return operations, nil
}

// traces answers a search, or with the traces that are named.
func (a *api) traces(r *http.Request) (any, error) {
	v := r.URL.Query()
	var found [][]signal.Span
	if named := v["traceID"]; len(named) > 0 {
		var ids []signal.TraceID
		for _, text := range named[:min(len(named), mostTraces)] {
			id, err := signal.ParseTraceID(text)
			if err != nil {
				return nil, wrong("traceID", "%.40q: %v", text, err)
			}
			ids = append(ids, id)
		}
		var err error
		if found, err = a.load(r.Context(), ids); err != nil {
			return nil, err
		}
	} else {
		s, err := a.searchV1(v)
		if err != nil {
			return nil, err
		}
		if found, err = a.find(r.Context(), s); err != nil {
			return nil, err
		}
	}
	out := list[traceV1]{}
	for _, spans := range found {
		out = append(out, newTraceV1(spans))
	}
	return out, nil
}

func (a *api) trace(r *http.Request) (any, error) {
	spans, err := a.one(r)
	if err != nil {
		return nil, err
	}
	return list[traceV1]{newTraceV1(spans)}, nil
}

func newTraceV1(spans []signal.Span) traceV1 {
	t := traceV1{ID: spans[0].Trace.String(), Processes: map[string]processV1{}, Spans: make([]spanV1, 0, len(spans))}
	names := map[string]string{}
	for i := range spans {
		s := &spans[i]
		same := s.Service + fmt.Sprint(s.Resource)
		if names[same] == "" {
			names[same] = "p" + strconv.Itoa(len(names)+1)
			t.Processes[names[same]] = processV1{Service: s.Service, Tags: tags(s.Resource)}
		}
		t.Spans = append(t.Spans, newSpanV1(s, names[same]))
	}
	return t
}

func newSpanV1(s *signal.Span, process string) spanV1 {
	out := spanV1{
		Trace: s.Trace.String(), ID: s.ID.String(), Flags: 1, Name: s.Name, References: []referenceV1{}, Start: s.Start / 1e3, Duration: s.Duration / 1e3,
		Tags: tags(s.Attributes), Logs: []logV1{}, Process: process,
	}
	if !s.Parent.IsZero() {
		out.References = append(out.References, referenceV1{"CHILD_OF", s.Trace.String(), s.Parent.String()})
	}
	for _, l := range s.Links {
		out.References = append(out.References, referenceV1{"FOLLOWS_FROM", l.Trace.String(), l.Span.String()})
	}
	text := func(key, value string) {
		if value != "" {
			out.Tags = append(out.Tags, tagV1{key, "string", value})
		}
	}
	text("span.kind", s.Kind.String())
	text("otel.scope.name", s.Scope)
	text("w3c.tracestate", s.State)
	switch s.Status {
	case signal.Error:
		text("otel.status_code", "ERROR")
		text("otel.status_description", s.Message)
		if _, told := s.Attributes.Get("error"); !told {
			out.Tags = append(out.Tags, tagV1{"error", "bool", true})
		}
	case signal.OK:
		text("otel.status_code", "OK")
	case signal.Unset:
	}
	for _, e := range s.Events {
		fields := tags(e.Attributes)
		if e.Name != "" {
			fields = append([]tagV1{{"event", "string", e.Name}}, fields...)
		}
		out.Logs = append(out.Logs, logV1{e.Time / 1e3, fields})
	}
	return out
}

// tags returns attributes as version 1 has them.
func tags(attributes signal.Attributes) []tagV1 {
	out := make([]tagV1, 0, len(attributes))
	for _, at := range attributes {
		t := tagV1{Key: at.Key, Type: "string", Value: at.Value.String()}
		switch at.Value.Type {
		case signal.Int:
			t.Type, t.Value = "int64", at.Value
		case signal.Float:
			t.Type, t.Value = "float64", at.Value
		case signal.Bool:
			t.Type, t.Value = "bool", at.Value
		case signal.String, signal.JSON:
		}
		out = append(out, t)
	}
	return out
}

// dependency is an edge between services.
type dependency struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
	Calls  uint64 `json:"callCount"`
}

// dependencies answers with who called whom, or sent it events, in the lookback until now,
// as far as the graph goes back.
func (a *api) dependencies(r *http.Request) (any, error) {
	v := r.URL.Query()
	if _, err := strconv.ParseInt(v.Get("endTs"), 10, 64); err != nil {
		return nil, wrong("endTs", "%.40q is no number of milliseconds since 1970", v.Get("endTs"))
	}
	before := 24 * time.Hour
	if text := v.Get("lookback"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > 1e12 {
			return nil, wrong("lookback", "%.40q is no number of milliseconds", text)
		}
		before = time.Duration(n) * time.Millisecond
	}
	out := list[dependency]{}
	if a.cfg.Graph == nil {
		return out, nil
	}
	m := a.cfg.Graph.Map(before)
	services := map[string]bool{}
	for _, n := range m.Nodes {
		services[n.Name] = n.Kind == "service"
	}
	for _, e := range m.Edges {
		if !services[e.From] || !services[e.To] {
			continue
		}
		calls := uint64(e.Count + 0.5)
		if last := len(out) - 1; last >= 0 && out[last].Parent == e.From && out[last].Child == e.To {
			out[last].Calls += calls
			continue
		}
		out = append(out, dependency{e.From, e.To, calls})
	}
	return out, nil
}
