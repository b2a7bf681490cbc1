package scene

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// kept is the scene's store: all that happens in it happened before the test.
type kept struct {
	spans []signal.Span // the newest first
	logs  []signal.Log  // the newest first
	by    map[signal.TraceID][]signal.Span
}

func newKept(w *world) *kept {
	k := &kept{spans: w.spans, logs: w.logs, by: map[signal.TraceID][]signal.Span{}}
	for _, s := range k.spans {
		k.by[s.Trace] = append(k.by[s.Trace], s)
	}
	slices.SortStableFunc(k.spans, func(a, b signal.Span) int { return int(b.Start - a.Start) })
	slices.SortStableFunc(k.logs, func(a, b signal.Log) int { return int(b.Time - a.Time) })
	return k
}

func (k *kept) Append(context.Context, signal.Batch) error { return signal.ErrFull }

func (k *kept) Trace(_ context.Context, id signal.TraceID) ([]signal.Span, error) {
	spans := slices.Clone(k.by[id])
	slices.SortStableFunc(spans, func(a, b signal.Span) int { return int(a.Start - b.Start) })
	return spans, nil
}

func (k *kept) Spans(_ context.Context, q signal.SpanQuery) iter.Seq2[*signal.Span, error] {
	return func(yield func(*signal.Span, error) bool) {
		for i := range k.spans {
			s := &k.spans[i]
			ok := q.Contains(s.Start) && (q.Service == "" || q.Service == s.Service) && (q.Name == "" || q.Name == s.Name) &&
				(len(q.Kinds) == 0 || slices.Contains(q.Kinds, s.Kind)) && (!q.Roots || s.Parent.IsZero()) &&
				(!q.Error || s.Status == signal.Error) && s.Duration >= int64(q.Min) && (q.Max == 0 || s.Duration <= int64(q.Max)) &&
				has(q.Match, s.Attributes, s.Resource)
			if ok && !yield(s, nil) {
				return
			}
		}
	}
}

func (k *kept) Logs(_ context.Context, q signal.LogQuery) iter.Seq2[*signal.Log, error] {
	return func(yield func(*signal.Log, error) bool) {
		for i := range k.logs {
			l := &k.logs[i]
			ok := q.Contains(l.Time) && (q.Service == "" || q.Service == l.Service) && l.Severity >= q.Severity &&
				(q.Trace.IsZero() || q.Trace == l.Trace) && strings.Contains(strings.ToLower(l.Body), strings.ToLower(q.Text)) &&
				has(q.Match, l.Attributes, l.Resource)
			if ok && !yield(l, nil) {
				return
			}
		}
	}
}

func (k *kept) Usage() []signal.Usage {
	all := map[string]*signal.Usage{}
	for _, s := range k.spans {
		if all[s.Service] == nil {
			all[s.Service] = &signal.Usage{Service: s.Service, Oldest: moment}
		}
		all[s.Service].Spans++
	}
	var list []signal.Usage
	for _, name := range slices.Sorted(mapKeys(all)) {
		list = append(list, *all[name])
	}
	return list
}

func has(want []signal.Match, where ...signal.Attributes) bool {
	return !slices.ContainsFunc(want, func(m signal.Match) bool {
		return !slices.ContainsFunc(where, func(a signal.Attributes) bool {
			v, ok := a.Get(m.Key)
			return ok && v.String() == m.Value
		})
	})
}
