package query

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The bounds of lists.
const (
	mostTraces, usualTraces = 1000, 50
	mostPoints              = 5000
	mostLogs, usualLogs     = 5000, 200
	mostLooked              = 2_000_000 // spans that one answer looks at
)

// reply answers with JSON.
func reply(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // the caller is gone: nobody is left to tell
	return nil
}

// late reports whether a question ran out of its time, so that what there is till then
// is the answer.
func late(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
}

func (a *API) getTraces(w http.ResponseWriter, r *http.Request, p *params) error {
	q, limit, slowest := p.spans(), p.limit(usualTraces, mostTraces), p.flag("slowest")
	if p.err != nil {
		return p.err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	var (
		out  Traces
		ids  []signal.TraceID
		took map[signal.TraceID]int64
		err  error
	)
	if slowest {
		ids, took, out.More, out.Cut, err = a.slowest(ctx, q, limit)
	} else {
		ids, out.More, err = a.traceIDs(ctx, q, limit)
	}
	if err != nil {
		return err
	}
	if out.Cut { // its time is over, but not for what was found
		var more context.CancelFunc
		ctx, more = context.WithTimeout(r.Context(), a.cfg.Deadline/4)
		defer more()
	}
	out.Traces = make([]Summary, 0, len(ids))
	for _, id := range ids {
		spans, err := a.cfg.Store.Trace(ctx, id)
		switch {
		case errors.Is(err, signal.ErrLarge):
			out.Traces = append(out.Traces, tooLarge(id))
			continue
		case late(ctx, err):
			out.More = true
		case err != nil:
			return err
		}
		if err != nil {
			break
		}
		if len(spans) > 0 { // else it was removed this very moment
			one := Summarize(spans)
			if slowest {
				one.Slowest = float64(took[id]) / 1e6
			}
			out.Traces = append(out.Traces, one)
		}
	}
	if slowest {
		return reply(w, out)
	}
	slices.SortStableFunc(out.Traces, func(a, b Summary) int { return cmp.Compare(b.Start, a.Start) })
	return reply(w, out)
}

// traceIDs returns the traces of the newest spans that q speaks of, at most limit, and
// whether there are, or may be, others.
func (a *API) traceIDs(ctx context.Context, q signal.SpanQuery, limit int) (ids []signal.TraceID, more bool, err error) {
	seen := map[signal.TraceID]struct{}{}
	looked := 0
	for s, err := range a.cfg.Store.Spans(ctx, q) {
		if late(ctx, err) {
			return ids, true, nil
		} else if err != nil {
			return nil, false, err
		}
		if looked++; looked > mostLooked {
			return ids, true, nil
		}
		if _, known := seen[s.Trace]; known {
			continue
		}
		if len(ids) == limit {
			return ids, true, nil
		}
		seen[s.Trace] = struct{}{}
		ids = append(ids, s.Trace)
	}
	return ids, false, nil
}

func (a *API) getPoints(w http.ResponseWriter, r *http.Request, p *params) error {
	q, limit := p.spans(), p.limit(mostPoints, mostPoints)
	if p.err != nil {
		return p.err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	out := Points{Points: []Point{}}
	for s, err := range a.cfg.Store.Spans(ctx, q) {
		if late(ctx, err) || err == nil && len(out.Points) == limit {
			out.More = true
			break
		} else if err != nil {
			return err
		}
		out.Points = append(out.Points, Point{Trace: s.Trace, Start: ms(s.Start), Duration: ms(s.Duration), Error: s.Status == signal.Error})
	}
	return reply(w, out)
}

func (a *API) getMap(w http.ResponseWriter, _ *http.Request, p *params) error {
	window := p.duration("window", defaultMap, leastWindow, mostWindow)
	if p.err != nil {
		return p.err
	}
	if a.cfg.Graph == nil {
		return absent("map")
	}
	return reply(w, a.cfg.Graph.Map(window))
}

func (a *API) getOverview(w http.ResponseWriter, r *http.Request, p *params) error {
	window := p.duration("window", defaultOverview, leastWindow, mostOverview)
	if p.err != nil {
		return p.err
	}
	if a.cfg.Overview == nil {
		return absent("overview")
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	out, err := a.cfg.Overview(ctx, window)
	if err != nil {
		return err
	}
	return reply(w, out)
}

func (a *API) getHealth(w http.ResponseWriter, _ *http.Request, _ *params) error {
	if a.cfg.Health == nil {
		return absent("health")
	}
	return reply(w, a.cfg.Health())
}
