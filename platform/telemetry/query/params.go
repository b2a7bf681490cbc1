package query

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// The parameters of several questions.
const (
	spanParams = "from until service operation min max error attr root limit"
	logParams  = "service severity q trace attr"
)

// mostText bounds a parameter, and mostMatches how many attributes are asked for.
const (
	mostText    = 4 << 10
	mostMatches = 16
)

// get returns a handler that checks method and names of parameters before it serves.
func (a *API) get(takes string, serve func(http.ResponseWriter, *http.Request, *params) error) http.Handler {
	known := strings.Fields(takes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			err := problem.New(problem.Unimplemented, "%s does not take %s: it takes GET", r.URL.Path, r.Method)
			err.Status = http.StatusMethodNotAllowed
			problem.Write(w, r, err)
			return
		}
		values, err := url.ParseQuery(r.URL.RawQuery)
		p := &params{Values: values, now: a.cfg.Now()}
		if err != nil {
			p.fail("the query of the URL cannot be read: %v", err)
		}
		p.only(known)
		w.Header().Set("Cache-Control", "no-store")
		if p.err == nil {
			err = serve(w, r, p)
		} else {
			err = p.err
		}
		if err != nil {
			a.refuse(w, r, err)
		}
	})
}

// refuse answers with an error.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	_, said := errors.AsType[*problem.Error](err)
	switch {
	case said:
	case errors.Is(err, context.DeadlineExceeded):
		err = problem.Wrap(err, problem.DeadlineExceeded, "there is too much to look through in %s: ask for a shorter time, or one service", a.cfg.Deadline)
	default:
		a.cfg.Log.WarnContext(r.Context(), "a question about telemetry failed", "path", r.URL.Path, "error", err)
	}
	problem.Write(w, r, err)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.New(problem.NotFound, "there is no %.200q: there are %sservices, traces, traces/{id}, points, logs, logs/stream, map, why/{id}, ids/{digits}, overview and health", r.URL.Path, prefix))
}

// params are a request's parameters. The first that is wrong is the error.
type params struct {
	url.Values

	now time.Time
	err error
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = problem.New(problem.InvalidArgument, format, args...)
	}
}

// only fails on a parameter that the question does not have, or has once.
func (p *params) only(known []string) {
	for name, values := range p.Values {
		switch {
		case !slices.Contains(known, name):
			if near := problem.Nearest(name, known); near != "" {
				p.fail("there is no parameter %.60q: is %q meant?", name, near)
			} else if len(known) == 0 {
				p.fail("there is no parameter %.60q: this takes none", name)
			} else {
				p.fail("there is no parameter %.60q: there are %s", name, strings.Join(known, ", "))
			}
		case name != "attr" && len(values) > 1:
			p.fail("parameter %s is given %d times: give it once", name, len(values))
		case slices.ContainsFunc(values, func(v string) bool { return len(v) > mostText }):
			p.fail("parameter %s is longer than %d bytes", name, mostText)
		}
	}
}

// window reads from and until; without them it is the last hour.
func (p *params) window() signal.Window {
	w := signal.Window{Until: p.moment("until", p.now)}
	w.From = p.moment("from", w.Until.Add(-time.Hour))
	if p.err == nil && !w.From.Before(w.Until) {
		p.fail("parameter from is not before until")
	}
	return w
}

// moment reads a time: RFC 3339, or milliseconds since 1970.
func (p *params) moment(name string, otherwise time.Time) time.Time {
	text := p.Get(name)
	if text == "" {
		return otherwise
	}
	if ms, err := strconv.ParseFloat(text, 64); err == nil {
		if ms >= 0 && ms < 9e12 { // what nanoseconds in 64 bits reach; what is not a number is neither
			return time.Unix(0, 0).Add(time.Duration(math.Round(ms*1e3)) * time.Microsecond)
		}
	} else if t, err := time.Parse(time.RFC3339, text); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
		return t
	}
	p.fail("parameter %s: %.60q is no time: write it as 2006-01-02T15:04:05Z or as milliseconds since 1970", name, text)
	return otherwise
}

// duration reads a Go duration within bounds.
func (p *params) duration(name string, otherwise, least, most time.Duration) time.Duration {
	text := p.Get(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		p.fail("parameter %s: %.60q is no duration from %s to %s: write it as 250ms or 5m", name, text, least, most)
		return otherwise
	}
	return d
}

// limit reads how many are wanted.
func (p *params) limit(otherwise, most int) int {
	text := p.Get("limit")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.fail("parameter limit: %.60q is no number from 1 to %d", text, most)
		return otherwise
	}
	return n
}

func (p *params) flag(name string) bool {
	switch text := p.Get(name); text {
	case "true", "1":
		return true
	case "", "false", "0":
	default:
		p.fail("parameter %s: %.60q is neither true nor false", name, text)
	}
	return false
}

// matches reads attr=KEY=VALUE.
func (p *params) matches() []signal.Match {
	var list []signal.Match
	for _, text := range p.Values["attr"] {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			p.fail("parameter attr: %.60q is not KEY=VALUE", text)
		}
		list = append(list, signal.Match{Key: key, Value: value})
	}
	if len(list) > mostMatches {
		p.fail("parameter attr is given %d times: at most %d", len(list), mostMatches)
	}
	return list
}

func (p *params) trace() signal.TraceID {
	text := p.Get("trace")
	if text == "" {
		return signal.TraceID{}
	}
	id, err := signal.ParseTraceID(text)
	if err != nil {
		p.fail("parameter trace: %.60q is no trace id: %v", text, err)
	}
	return id
}

// severity reads the lowest that is wanted.
func (p *params) severity() signal.Severity {
	text := strings.ToLower(p.Get("severity"))
	for _, s := range []signal.Severity{0, signal.SeverityTrace, signal.SeverityDebug, signal.SeverityInfo, signal.SeverityWarn, signal.SeverityError, signal.SeverityFatal} {
		if text == s.String() {
			return s
		}
	}
	p.fail("parameter severity: %.60q is none of trace, debug, info, warn, error and fatal", text)
	return 0
}

func (p *params) spans() signal.SpanQuery {
	const most = 24 * 366 * time.Hour
	q := signal.SpanQuery{
		Window: p.window(), Service: p.Get("service"), Name: p.Get("operation"), Roots: p.flag("root"), Error: p.flag("error"),
		Min: p.duration("min", 0, 0, most), Max: p.duration("max", 0, 1, most), Match: p.matches(), Bare: true,
	}
	if q.Max > 0 && q.Min > q.Max {
		p.fail("parameter min, %s, is more than max, %s", q.Min, q.Max)
	}
	return q
}

func (p *params) logs() signal.LogQuery {
	return signal.LogQuery{Service: p.Get("service"), Severity: p.severity(), Text: p.Get("q"), Trace: p.trace(), Match: p.matches()}
}

// traceOf reads the id in the path.
func (p *params) traceOf(r *http.Request) (signal.TraceID, error) {
	id, err := signal.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return id, problem.New(problem.InvalidArgument, "the path: %.60q is no trace id: %v", r.PathValue("id"), err)
	}
	return id, nil
}
