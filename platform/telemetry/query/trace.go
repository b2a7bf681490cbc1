package query

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
	"github.com/musterdev/muster/problem"
)

// build returns a trace's spans and its tree; 404 when there is none.
func (a *API) build(ctx context.Context, id signal.TraceID) ([]signal.Span, *tree.Tree, error) {
	spans, err := a.cfg.Store.Trace(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if len(spans) == 0 {
		return nil, nil, problem.New(problem.NotFound, "there is no trace %s: it was not sampled, is not here yet, or was removed by age or size", id)
	}
	return spans, tree.Build(spans), nil
}

func (a *API) getTrace(w http.ResponseWriter, r *http.Request, p *params) error {
	id, err := p.traceOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	spans, t, err := a.build(ctx, id)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_ = writeTrace(w, Summarize(spans), t, a.cfg.Live) // the caller is gone: nobody is left to tell
	return nil
}

// writeTrace writes a Trace piece by piece: a hundred thousand spans are neither copied
// nor encoded as a whole before the first byte goes out.
func writeTrace(w interface{ Write([]byte) (int, error) }, s Summary, t *tree.Tree, live *Live) error {
	out := bufio.NewWriterSize(w, 64<<10)
	head, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, _ = out.Write(head[:len(head)-1]) // bufio.Writer keeps its first error for Flush
	_, _ = out.WriteString(`,"tree":[`)
	for i, n := range t.Nodes {
		b := out.AvailableBuffer()
		if i > 0 {
			b = append(b, ',')
		}
		if _, err := out.Write(appendSpan(b, n, live.linkedBy(n.Trace, n.ID))); err != nil {
			return err
		}
	}
	_, _ = out.WriteString(`],"critical":[`)
	for i, piece := range t.Critical {
		b := out.AvailableBuffer()
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSpanID(append(b, `{"span":`...), piece.Node.ID)
		b = appendMS(append(b, `,"from":`...), piece.From)
		b = appendMS(append(b, `,"until":`...), piece.Until)
		_, _ = out.Write(append(b, '}'))
	}
	_, _ = out.WriteString(`]`)
	if t.Skewed {
		_, _ = out.WriteString(`,"skewed":true`)
	}
	_, _ = out.WriteString("}\n")
	return out.Flush()
}
