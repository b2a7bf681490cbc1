package query

import (
	"cmp"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// ms turns nanoseconds into milliseconds.
func ms(ns int64) float64 { return float64(ns/1e6) + float64(ns%1e6)/1e6 }

// tooLarge stands for a trace of which no more is told.
func tooLarge(id signal.TraceID) Summary {
	return Summary{Trace: id, Name: "(too large to be shown)", Spans: signal.MostTrace, Services: []Part{}, Rootless: true}
}

// Summarize returns a trace in a line; spans are all of it, in any order, at least one.
// Its first span is the earliest without a parent, or where all have one, the earliest of
// those whose parent is not there.
func Summarize(spans []signal.Span) Summary {
	if len(spans) == 0 {
		return Summary{Services: []Part{}}
	}
	ids := make(map[signal.SpanID]struct{}, len(spans))
	for i := range spans {
		ids[spans[i].ID] = struct{}{}
	}
	rank := func(s *signal.Span) int {
		if s.Parent.IsZero() {
			return 0
		}
		if _, there := ids[s.Parent]; !there {
			return 1
		}
		return 2
	}
	first, firstRank := &spans[0], rank(&spans[0])
	start, end := first.Start, first.End()
	parts := map[string]*Part{}
	s := Summary{Trace: first.Trace, Spans: len(spans)}
	for i := range spans {
		span := &spans[i]
		if r := rank(span); r < firstRank || r == firstRank && span.Start < first.Start {
			first, firstRank = span, r
		}
		start, end = min(start, span.Start), max(end, span.End())
		part := parts[span.Service]
		if part == nil {
			part = &Part{Name: span.Service}
			parts[span.Service] = part
		}
		part.Spans++
		if span.Status == signal.Error {
			part.Errors++
			s.Errors++
		}
	}
	s.Service, s.Name, s.Rootless = first.Service, first.Name, firstRank != 0
	s.Start, s.Duration, s.Total = ms(first.Start), ms(first.Duration), ms(end-start)
	s.Services = make([]Part, 0, len(parts))
	for _, part := range parts {
		s.Services = append(s.Services, *part)
	}
	slices.SortFunc(s.Services, func(a, b Part) int { return cmp.Or(cmp.Compare(b.Spans, a.Spans), cmp.Compare(a.Name, b.Name)) })
	return s
}
