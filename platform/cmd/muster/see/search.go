package see

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Search says which traces are wanted, as flags.
type Search struct {
	Slow    Slow          `placeholder:"50ms" help:"The slowest first; with --slow=50ms those that took at least so long."`
	Error   bool          `help:"Only traces in which something failed."`
	Service string        `placeholder:"NAME" help:"Only traces with such spans of this service."`
	Attr    []string      `sep:"none" placeholder:"KEY=VALUE" help:"Only traces with a span that has this attribute; all of several."`
	Since   time.Duration `default:"15m" help:"How far back to look."`
	Limit   int           `placeholder:"N" help:"At most so many: traces of a list (20), spans of a trace (1000)."`
}

// Slow is the flag --slow, or --slow=50ms.
type Slow struct {
	Set   bool
	Least time.Duration
}

// Decode reads the duration where there is one.
func (s *Slow) Decode(ctx *kong.DecodeContext) error {
	s.Set = true
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	return s.Read(fmt.Sprint(ctx.Scan.Pop().Value))
}

// IsBool tells kong that it may stand without a value.
func (s *Slow) IsBool() bool { return true }

// Read reads the duration.
func (s *Slow) Read(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no duration such as 50ms", text)
	}
	s.Least = d
	return nil
}

// The bounds of what is shown where --limit says nothing, and of what control gives.
const (
	usualTraces = 20
	usualSpans  = 1000
	mostTraces  = 1000
)

// Any reports whether some traces are asked for rather than the newest.
func (s *Search) Any() bool {
	return s.Slow.Set || s.Error || s.Service != "" || len(s.Attr) > 0
}

// Parts reports whether --slow is of some spans of a trace, rather than of the whole.
func (s *Search) Parts() bool {
	return s.Slow.Set && (s.Error || s.Service != "" || len(s.Attr) > 0)
}

// Spans is how many spans of a trace are shown.
func (s *Search) Spans() int { return cmp.Or(s.Limit, usualSpans) }

// Check says in a line what is wrong with it; listing, that it is for a list.
func (s *Search) Check(listing bool) error {
	switch {
	case s.Since <= 0:
		return fmt.Errorf("--since must be more than 0s, not %s", s.Since)
	case s.Limit < 0:
		return fmt.Errorf("--limit must not be negative, as %d is", s.Limit)
	case listing && s.Limit > mostTraces:
		return fmt.Errorf("--limit must be 1 to %d, not %d", mostTraces, s.Limit)
	}
	for _, text := range s.Attr {
		if key, _, ok := strings.Cut(text, "="); !ok || key == "" {
			return fmt.Errorf("--attr: %q is not KEY=VALUE, such as order.id=o-1", text)
		}
	}
	return nil
}

// Search lists traces. note, if any, is what a reader should know beside.
func (c *Client) Search(ctx context.Context, s Search) (list query.Traces, note string, err error) {
	limit := cmp.Or(s.Limit, usualTraces)
	q := url.Values{"from": {ago(s.Since)}, "limit": {strconv.Itoa(limit)}, "attr": s.Attr}
	if s.Service != "" {
		q.Set("service", s.Service)
	}
	if s.Error {
		q.Set("error", "true")
	}
	if s.Slow.Least > 0 {
		q.Set("min", s.Slow.Least.String())
	}
	if s.Slow.Set {
		q.Set("slowest", "true")
		if !s.Parts() {
			q.Set("root", "true")
		}
	}
	if list, err = c.Traces(ctx, q); err != nil {
		return list, "", err
	}
	if list.Cut {
		note = "there are too many to look at all: an older one may be slower than these: a shorter --since, or --service, narrows it"
	}
	if len(list.Traces) == 0 {
		note = fmt.Sprintf("no such trace in the last %s: --since looks further back", short(s.Since))
	}
	return list, note, nil
}

// short is a duration as a person would write it: 15m, not 15m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// ago is the beginning of a time before now, as control reads it.
func ago(d time.Duration) string { return time.Now().Add(-d).Format(time.RFC3339Nano) }

// Meant finds the trace that a person means: by its id, or by the beginning of one, four
// digits or more.
func (c *Client) Meant(ctx context.Context, text string) (signal.TraceID, error) {
	text = strings.ToLower(text)
	id, err := signal.ParseTraceID(text)
	if err != nil || len(text) == 2*len(id) {
		return id, err
	}
	ids, err := c.IDs(ctx, text)
	if err != nil {
		return id, err
	}
	found := ids.Traces
	if len(found) == 0 && len(text) >= 16 { // other systems leave leading zeros out of those of 8 bytes
		return id, nil
	}
	switch len(found) {
	case 0:
		return id, fmt.Errorf("no trace begins with %s: it was not sampled, is not here yet, or was removed by age or size", text)
	case 1:
		return found[0], nil
	}
	number := strconv.Itoa(len(found))
	if ids.More {
		number = "more than " + number
	}
	return id, fmt.Errorf("%s traces begin with %s, such as %s and %s: give more digits", number, text, found[0], found[1])
}
