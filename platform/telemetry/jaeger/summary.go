package jaeger

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// summary is a trace in the list of a search (Jaeger's ADR-010).
type summary struct {
	ID        string         `json:"traceId"`
	OldID     string         `json:"traceID"` // as the first interfaces that ask for it spell it
	Service   string         `json:"rootServiceName"`
	Operation string         `json:"rootOperationName"`
	Start     string         `json:"minStartTimeUnixNano"`
	End       string         `json:"maxEndTimeUnixNano"`
	Spans     int            `json:"spanCount"`
	Errors    int            `json:"errorSpanCount"`
	Orphans   int            `json:"orphanSpanCount"`
	Services  []serviceCount `json:"services"`
}

type serviceCount struct {
	Name   string `json:"name"`
	Spans  int    `json:"spanCount"`
	Errors int    `json:"errorSpanCount"`
}

func (a *api) summariesV3(r *http.Request) (any, error) {
	s, err := a.searchV3(r.URL.Query())
	if err != nil {
		return nil, err
	}
	found, err := a.find(r.Context(), s)
	out := []summary{}
	for _, spans := range found {
		out = append(out, newSummary(spans))
	}
	return map[string]any{"summaries": out}, err
}

func newSummary(spans []signal.Span) summary {
	ids := make(map[signal.SpanID]struct{}, len(spans))
	for i := range spans {
		ids[spans[i].ID] = struct{}{}
	}
	out := summary{ID: spans[0].Trace.String(), OldID: spans[0].Trace.String(), Spans: len(spans), Services: []serviceCount{}}
	var root *signal.Span
	start, end := spans[0].Start, spans[0].End()
	at := map[string]int{}
	for i := range spans {
		s := &spans[i]
		start, end = min(start, s.Start), max(end, s.End())
		if _, there := ids[s.Parent]; !s.Parent.IsZero() && !there {
			out.Orphans++
		}
		if s.Parent.IsZero() && (root == nil || s.Start < root.Start) {
			root = s
		}
		n, known := at[s.Service]
		if !known {
			n = len(out.Services)
			at[s.Service] = n
			out.Services = append(out.Services, serviceCount{Name: s.Service})
		}
		out.Services[n].Spans++
		if s.Status == signal.Error {
			out.Errors++
			out.Services[n].Errors++
		}
	}
	if root != nil {
		out.Service, out.Operation = root.Service, root.Name
	}
	out.Start, out.End = strconv.FormatInt(start, 10), strconv.FormatInt(end, 10)
	slices.SortFunc(out.Services, func(a, b serviceCount) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
