package query

import (
	"context"
	"net/http"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// The windows of the map and the overview.
const (
	leastWindow     = time.Minute
	mostWindow      = time.Hour
	mostOverview    = 31 * 24 * time.Hour
	defaultMap      = 5 * time.Minute
	defaultOverview = 5 * time.Minute
)

func absent(what string) error {
	return problem.New(problem.Unimplemented, "there is no %s here: this program was made without", what)
}

// NewLog returns a record as answers have it.
func NewLog(l *signal.Log) Log {
	return Log{
		Time: ms(l.Time), Service: l.Service, Instance: l.Resource.Text("service.instance.id"), Severity: l.Severity.String(),
		Body: l.Body, Trace: l.Trace, Span: l.Span, Attributes: l.Attributes,
	}
}

func (a *API) getLogs(w http.ResponseWriter, r *http.Request, p *params) error {
	q, limit := p.logs(), p.limit(usualLogs, mostLogs)
	if q.Trace.IsZero() || p.Has("from") || p.Has("until") { // all of a trace is wanted, however old
		q.Window = p.window()
	}
	if p.err != nil {
		return p.err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	out := Logs{Logs: []Log{}}
	for l, err := range a.cfg.Store.Logs(ctx, q) {
		if late(ctx, err) || err == nil && len(out.Logs) == limit {
			out.More = true
			break
		} else if err != nil {
			return err
		}
		out.Logs = append(out.Logs, NewLog(l))
	}
	return reply(w, out)
}
