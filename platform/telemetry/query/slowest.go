package query

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// slowest returns the traces of the slowest spans that q speaks of, at most limit, the
// slowest first, with how long that span took; more says that there are others, and cut
// that there may be slower ones, for there were too many spans to look at all.
func (a *API) slowest(ctx context.Context, q signal.SpanQuery, limit int) (ids []signal.TraceID, took map[signal.TraceID]int64, more, cut bool, err error) {
	took = map[signal.TraceID]int64{}
	looked := 0
	for s, err := range a.cfg.Store.Spans(ctx, q) {
		if late(ctx, err) {
			cut = true
			break
		} else if err != nil {
			return nil, nil, false, false, err
		}
		if looked++; looked > mostLooked {
			cut = true
			break
		}
		took[s.Trace] = max(took[s.Trace], s.Duration)
		if len(took) >= 8*mostTraces { // who is not among the slowest now gets there only by a slower span
			for _, id := range ranked(took)[limit:] {
				delete(took, id)
			}
			more = true
		}
	}
	ids = ranked(took)
	if len(ids) > limit {
		ids, more = ids[:limit], true
	}
	return ids, took, more || cut, cut, nil
}

// ranked returns the traces, the slowest first.
func ranked(took map[signal.TraceID]int64) []signal.TraceID {
	return slices.SortedFunc(maps.Keys(took), func(a, b signal.TraceID) int {
		return cmp.Or(cmp.Compare(took[b], took[a]), slices.Compare(a[:], b[:]))
	})
}
