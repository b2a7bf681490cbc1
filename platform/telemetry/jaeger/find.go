package jaeger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The bounds of answers.
const (
	usualTraces = 100
	mostTraces  = 1500
	usualBefore = 48 * time.Hour // when a question has no start
	namesSpans  = 20_000         // the newest of a service, whose names are its operations
	mostLooked  = 2_000_000
)

// search is a question for traces.
type search struct {
	signal.SpanQuery

	limit int
}

func wrong(parameter, format string, args ...any) error {
	return failure{http.StatusBadRequest, "parameter '" + parameter + "': " + fmt.Sprintf(format, args...)}
}

// searchV1 reads version 1's parameters.
func (a *api) searchV1(v url.Values) (s search, err error) {
	if s.Service = v.Get("service"); s.Service == "" {
		return s, failure{http.StatusBadRequest, "parameter 'service' is required"}
	}
	s.Name, s.Bare = v.Get("operation"), true
	before := usualBefore
	if text := v.Get("lookback"); text != "" {
		if d, err := lookback(text); err == nil { // "custom" says that start and end do
			before = d
		}
	}
	micros := func(name string, otherwise time.Time) time.Time {
		text := v.Get(name)
		if text == "" {
			return otherwise
		}
		n, failed := strconv.ParseInt(text, 10, 64)
		if failed != nil || n < 0 || n > 9e15 {
			err = cmp.Or(err, wrong(name, "%.40q is no number of microseconds since 1970", text))
		}
		return time.UnixMicro(n)
	}
	s.Until = micros("end", a.cfg.Now())
	s.From = micros("start", s.Until.Add(-before))
	s.Min, err = duration(v, err, "minDuration")
	s.Max, err = duration(v, err, "maxDuration")
	s.limit, err = limit(v, err, "limit")
	if err != nil {
		return s, err
	}
	for _, text := range v["tag"] {
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			return s, wrong("tag", "%.40q is not KEY:VALUE", text)
		}
		s.want(key, value)
	}
	for _, text := range v["tags"] {
		if err := s.wantAll("tags", text); err != nil {
			return s, err
		}
	}
	return s, nil
}

// searchV3 reads version 3's parameters, in the older spelling too.
func (a *api) searchV3(v url.Values) (s search, err error) {
	given := url.Values{}
	for now, old := range map[string]string{
		"serviceName": "service_name", "operationName": "operation_name", "startTimeMin": "start_time_min", "startTimeMax": "start_time_max",
		"durationMin": "duration_min", "durationMax": "duration_max", "searchDepth": "search_depth", "numTraces": "num_traces", "attributes": "",
	} {
		if text := cmp.Or(v.Get("query."+now), v.Get("query."+old)); text != "" {
			given.Set("query."+now, text)
		}
	}
	v = given
	s.Service, s.Name, s.Bare = v.Get("query.serviceName"), v.Get("query.operationName"), true
	moment := func(name string, otherwise time.Time) time.Time {
		text := v.Get(name)
		if text == "" {
			return otherwise
		}
		t, failed := time.Parse(time.RFC3339Nano, text)
		if failed != nil || t.Year() < 1970 || t.Year() > 2261 {
			err = cmp.Or(err, wrong(name, "%.40q is no time like 2006-01-02T15:04:05Z", text))
		}
		return t
	}
	s.Until = moment("query.startTimeMax", a.cfg.Now())
	s.From = moment("query.startTimeMin", s.Until.Add(-usualBefore))
	s.Min, err = duration(v, err, "query.durationMin")
	s.Max, err = duration(v, err, "query.durationMax")
	depth := "query.searchDepth"
	if !v.Has(depth) {
		depth = "query.numTraces"
	}
	s.limit, err = limit(v, err, depth)
	if text := v.Get("query.attributes"); text != "" && err == nil {
		err = s.wantAll("query.attributes", text)
	}
	return s, err
}

// lookback reads a duration in which there may be days and weeks.
func lookback(text string) (time.Duration, error) {
	for unit, long := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.Atoi(number)
			if err != nil || n < 0 || n > 1000 {
				return 0, errors.New("no number of days")
			}
			return time.Duration(n) * long, nil
		}
	}
	return time.ParseDuration(text)
}

func duration(v url.Values, before error, name string) (time.Duration, error) {
	text := v.Get(name)
	if text == "" || before != nil {
		return 0, before
	}
	d, err := time.ParseDuration(text)
	if n, number := strconv.ParseInt(text, 10, 64); number == nil && n < 1<<53 { // some clients send microseconds
		d, err = time.Duration(n)*time.Microsecond, nil
	}
	if err != nil || d < 0 {
		return 0, wrong(name, "%.40q is no duration like 1.2s, 100ms or 500us", text)
	}
	return d, nil
}

func limit(v url.Values, before error, name string) (int, error) {
	text := v.Get(name)
	if text == "" || before != nil {
		return usualTraces, before
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, wrong(name, "%.40q is no number of traces", text)
	}
	return min(n, mostTraces), nil
}

// wantAll reads tags in JSON.
func (s *search) wantAll(name, text string) error {
	var tags map[string]any
	if err := json.Unmarshal([]byte(text), &tags); err != nil {
		return wrong(name, `%.40q is no JSON object like {"key":"value"}`, text)
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value, ok := tags[key].(string)
		if !ok {
			value = fmt.Sprint(tags[key])
		}
		s.want(key, value)
	}
	return nil
}

// want adds a tag to what is looked for. Some are not attributes here.
func (s *search) want(key, value string) {
	switch {
	case key == "error" && value == "true", key == "otel.status_code" && value == "ERROR":
		s.Error = true
	case key == "span.kind" && kindOf(value) != signal.Unspecified:
		s.Kinds = append(s.Kinds, kindOf(value))
	default:
		s.Match = append(s.Match, signal.Match{Key: key, Value: value})
	}
}

func kindOf(text string) signal.Kind {
	for k := signal.Internal; k <= signal.Consumer; k++ {
		if strings.EqualFold(text, k.String()) {
			return k
		}
	}
	return signal.Unspecified
}

// find returns the traces of the newest spans that are wanted; those found so far when
// time runs out.
func (a *api) find(ctx context.Context, s search) ([][]signal.Span, error) {
	var ids []signal.TraceID
	seen, looked := map[signal.TraceID]struct{}{}, 0
	for span, err := range a.cfg.Store.Spans(ctx, s.SpanQuery) {
		if errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			return nil, err
		}
		if _, known := seen[span.Trace]; !known {
			seen[span.Trace] = struct{}{}
			ids = append(ids, span.Trace)
		}
		if looked++; len(ids) == s.limit || looked == mostLooked {
			break
		}
	}
	return a.load(ctx, ids)
}

// load returns traces, without those that are not there.
func (a *api) load(ctx context.Context, ids []signal.TraceID) ([][]signal.Span, error) {
	var traces [][]signal.Span
	room := signal.MostTrace
	for _, id := range ids {
		spans, err := a.cfg.Store.Trace(ctx, id)
		switch {
		case errors.Is(err, signal.ErrLarge):
			continue
		case errors.Is(err, context.DeadlineExceeded) && len(traces) > 0:
			return traces, nil
		case err != nil:
			return nil, err
		}
		if room -= len(spans); room < 0 && len(traces) > 0 {
			break // what was found so far, as when time runs out
		}
		if len(spans) > 0 {
			traces = append(traces, spans)
		}
	}
	return traces, nil
}

// one returns the trace in a path.
func (a *api) one(r *http.Request) ([]signal.Span, error) {
	id, err := signal.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return nil, failure{http.StatusBadRequest, "the path: " + err.Error()}
	}
	spans, err := a.cfg.Store.Trace(r.Context(), id)
	if errors.Is(err, signal.ErrLarge) {
		return nil, failure{http.StatusUnprocessableEntity, signal.ErrLarge.Message}
	} else if err == nil && len(spans) == 0 {
		err = failure{http.StatusNotFound, "trace not found"}
	}
	return spans, err
}

// operation is a name of spans of a kind.
type operation struct {
	Name string `json:"name"`
	Kind string `json:"spanKind"`
}

// operationsOf returns what the newest spans of a service are called.
func (a *api) operationsOf(ctx context.Context, service, kind string) (list[operation], error) {
	if service == "" {
		return nil, failure{http.StatusBadRequest, "parameter 'service' is required"}
	}
	q := signal.SpanQuery{Service: service, Bare: true}
	if kind != "" {
		q.Kinds = []signal.Kind{kindOf(kind)}
	}
	seen, looked := map[operation]struct{}{}, 0
	for s, err := range a.cfg.Store.Spans(ctx, q) {
		if errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			return nil, err
		}
		seen[operation{s.Name, s.Kind.String()}] = struct{}{}
		if looked++; looked == namesSpans {
			break
		}
	}
	names := append(list[operation]{}, slices.Collect(maps.Keys(seen))...)
	slices.SortFunc(names, func(a, b operation) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return names, nil
}
