package see

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/problem"
)

// Following is a question for log records that goes on with new ones.
type Following struct {
	// Find tells whom to ask; it is asked again when that one went away. Its error ends all.
	Find func(context.Context) (*Client, error)
	// Wanted are the records, those of the past first.
	Wanted Records
	// Show is given each record, in order; its error ends all.
	Show func(query.Log) error
	// Note is told what a reader should know: that records were lost, that control is away.
	Note func(string)
}

// The times and bounds of following.
const (
	firstPause = 250 * time.Millisecond
	mostPause  = 5 * time.Second
	mostPast   = 5000    // the server's own bound
	mostEvent  = 8 << 20 // bytes
)

// Follow shows records until ctx ends, which is no error, and goes on with those that it
// missed when control comes back after it was away. It fails when it cannot begin.
func Follow(ctx context.Context, f Following) error {
	from := url.Values{}
	begun, pause := false, firstPause
	for {
		c, err := f.Find(ctx)
		if err != nil {
			return quiet(ctx, err)
		}
		asked := time.Now()
		r := reader{Following: f, client: c, past: f.Wanted.past()}
		if begun {
			r.past = from
		}
		err = r.run(ctx)
		_, away := errors.AsType[*AwayError](err)
		again := away || begun && problem.CodeOf(err) == problem.Unavailable // it starts
		if ctx.Err() != nil || !again || !begun && !r.opened {
			return quiet(ctx, err)
		}
		if r.opened {
			begun, pause = true, firstPause
			f.Note("control went away: trying again")
			from.Set("limit", strconv.Itoa(mostPast))
			switch {
			case r.last > 0:
				from.Set("from", strconv.FormatFloat(r.last+0.001, 'f', 3, 64)) // ms; a µs later
			case from.Get("from") == "":
				from.Set("from", asked.Format(time.RFC3339Nano))
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, mostPause)
	}
}

// quiet is no error when ctx has ended.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// reader is one connection.
type reader struct {
	Following

	client *Client
	past   url.Values
	opened bool
	last   float64 // time of the latest record that was shown
}

// run reads until the line breaks, which is an *AwayError.
func (r *reader) run(ctx context.Context) error {
	res, err := r.client.send(ctx, "logs/stream", r.Wanted.wanted())
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	r.opened = true
	// the past is read when the stream is open, so that nothing falls between the two;
	// what is in both is left out of the stream
	both := map[string]int{}
	if r.past != nil {
		list, err := r.client.Past(ctx, r.Wanted.wanted(), r.past)
		if err != nil {
			return err
		}
		if list.More && r.past.Has("from") {
			r.Note(fmt.Sprintf("only the last %d are shown: there were more", len(list.Logs)))
		}
		for _, l := range list.Logs {
			both[key(l)]++
			if err := r.show(l); err != nil {
				return err
			}
		}
	}
	return r.events(res.Body, func(l query.Log) error {
		if k := key(l); both[k] > 0 {
			both[k]--
			return nil
		}
		return r.show(l)
	})
}

func (r *reader) show(l query.Log) error {
	r.last = max(r.last, l.Time)
	return r.Show(l)
}

func key(l query.Log) string {
	return fmt.Sprintf("%v %s %s %x %s", l.Time, l.Service, l.Instance, l.Span, l.Body)
}

// events reads server-sent events (HTML Living Standard, 9.2.6).
func (r *reader) events(body io.Reader, each func(query.Log) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, mostEvent)
	var name, data string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value
		case "":
			if err := r.event(name, data, each); err != nil {
				return err
			}
			name, data = "", ""
		}
	}
	return &AwayError{r.client.url, cmp.Or(lines.Err(), io.ErrUnexpectedEOF)}
}

func (r *reader) event(name, data string, each func(query.Log) error) error {
	switch name {
	case "log":
		var l query.Log
		if err := json.Unmarshal([]byte(data), &l); err != nil {
			return fmt.Errorf("what %s sends is not what control sends: %w", r.client.url, err)
		}
		return each(l)
	case "lost":
		r.Note(data + " were left out: they came faster than they could be shown")
	}
	return nil
}

// Past returns log records of the past, the oldest first: those that wanted speaks of,
// with the limit and times of past.
func (c *Client) Past(ctx context.Context, wanted, past url.Values) (query.Logs, error) {
	q := url.Values{}
	for _, part := range []url.Values{wanted, past} {
		maps.Copy(q, part)
	}
	list, err := c.Logs(ctx, q)
	slices.SortStableFunc(list.Logs, func(a, b query.Log) int { return cmp.Compare(a.Time, b.Time) })
	return list, err
}
