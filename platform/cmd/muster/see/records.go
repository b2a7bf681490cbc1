package see

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/platform/telemetry/printed"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Records says which log records are wanted.
type Records struct {
	Service string
	Trace   signal.TraceID  // zero: any
	Since   time.Duration   // 0: the last hour; all of a trace
	Text    string          // contained, capitals or not
	Level   signal.Severity // at least
	Most    int             // of the past, at most 5000
}

// ParseLevel reads a severity's name; "" is any.
func ParseLevel(text string) (signal.Severity, error) {
	for _, s := range []signal.Severity{0, signal.SeverityTrace, signal.SeverityDebug, signal.SeverityInfo, signal.SeverityWarn, signal.SeverityError, signal.SeverityFatal} {
		if strings.EqualFold(text, s.String()) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("must be one of trace debug info warn error fatal, not %q", text)
}

// wanted are the parameters that both history and stream take.
func (r Records) wanted() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"service": r.Service, "severity": r.Level.String(), "q": r.Text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if !r.Trace.IsZero() {
		q.Set("trace", r.Trace.String())
	}
	return q
}

// past are the parameters of history, nil where none is wanted.
func (r Records) past() url.Values {
	if r.Most == 0 {
		return nil
	}
	q := url.Values{"limit": {strconv.Itoa(min(r.Most, mostPast))}}
	if r.Since > 0 {
		q.Set("from", ago(r.Since))
	}
	return q
}

// Records hands those of the past to show, the oldest first, and what a reader should
// know beside to note.
func (c *Client) Records(ctx context.Context, r Records, show func(query.Log) error, note func(string)) error {
	if r.Most == 0 {
		return nil
	}
	list, err := c.Past(ctx, r.wanted(), r.past())
	if err != nil {
		return err
	}
	for _, l := range list.Logs {
		if err := show(l); err != nil {
			return err
		}
	}
	switch {
	case len(list.Logs) == 0 && r.Since == 0 && r.Trace.IsZero():
		note("nothing of the kind was logged in the last hour: --since looks further back")
	case len(list.Logs) == 0:
		note("nothing of the kind was logged")
	case list.More && r.Most >= mostPast:
		note(fmt.Sprintf("there are more, older ones than these %d", len(list.Logs)))
	}
	return nil
}

// Read makes a record of a line that the supervisor has, and reports whether it is wanted.
func (r Records) Read(line logs.Line) (query.Log, bool) {
	l := printed.Parse(line.Text, line.Service, line.Time)
	l.Resource = signal.Attributes{{Key: "service.instance.id", Value: signal.StringValue(line.Instance)}}
	return query.NewLog(&l), l.Severity >= r.Level && (r.Trace.IsZero() || l.Trace == r.Trace) &&
		(r.Since == 0 || time.Since(line.Time) <= r.Since) && l.Says(strings.ToLower(r.Text))
}
