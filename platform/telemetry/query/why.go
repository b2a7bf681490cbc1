package query

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// What a trace is compared with: others of its route that began in the hour before,
// spread over it, because those right before may suffer from the same.
const (
	whyOthers = 30
	whyBefore = time.Hour
	whySlices = 6
	whySpans  = 300_000 // of all together: more are not in memory at once
)

func (a *API) getWhy(w http.ResponseWriter, r *http.Request, p *params) error {
	id, err := p.traceOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	_, t, err := a.build(ctx, id)
	if err != nil {
		return err
	}
	others, err := a.others(ctx, t)
	if err != nil {
		return err
	}
	return reply(w, diagnose.Why(t, others))
}

// others returns the traces to compare one with; fewer when time runs out.
func (a *API) others(ctx context.Context, t *tree.Tree) ([]*tree.Tree, error) {
	ids, err := a.candidates(ctx, t.Root())
	if err != nil {
		return nil, err
	}
	var list []*tree.Tree
	room := whySpans
	for _, id := range ids {
		other, err := a.cfg.Store.Trace(ctx, id)
		switch {
		case errors.Is(err, signal.ErrLarge):
			continue
		case late(ctx, err):
			return list, nil
		case err != nil:
			return nil, err
		}
		if room -= len(other); room < 0 {
			break
		}
		if len(other) > 0 {
			list = append(list, tree.Build(other))
		}
	}
	return list, nil
}

// candidates returns traces that began with the same span, taken in turn from the parts
// of the time before it, the latest first.
func (a *API) candidates(ctx context.Context, first *tree.Node) ([]signal.TraceID, error) {
	var parts [whySlices][]signal.TraceID
	until := signal.Time(first.Start)
	for i := range parts {
		q := signal.SpanQuery{Service: first.Service, Name: first.Name, Kinds: []signal.Kind{first.Kind}, Roots: !first.Missing, Bare: true}
		q.From, q.Until = until.Add(-whyBefore/whySlices), until
		ids, _, err := a.traceIDs(ctx, q, whyOthers)
		if err != nil {
			return nil, err
		}
		parts[i], until = ids, q.From
	}
	var ids []signal.TraceID
	seen := map[signal.TraceID]bool{first.Trace: true}
	for turn := range whyOthers {
		for _, part := range parts {
			if turn < len(part) && !seen[part[turn]] && len(ids) < whyOthers {
				seen[part[turn]] = true
				ids = append(ids, part[turn])
			}
		}
	}
	return ids, nil
}
