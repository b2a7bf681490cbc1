// Package size bounds what a request may send: the kind "size". The engines have bounds of
// their own, for all requests; these are a route's, and can only be closer. Only how slowly a
// body may come is a route's own business: its LeastRate takes the place of the edge's.
package size

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// Config is what the kind is told; 0 is no bound.
type Config struct {
	Body   filter.Bytes `json:"body"`   // of the body; more is answered 413, before it is read where its length is told
	URI    filter.Bytes `json:"uri"`    // of path, decoded, and query together; 414
	Head   filter.Bytes `json:"head"`   // of all header fields together; 431
	Field  filter.Bytes `json:"field"`  // of one field's value; 431
	Fields int          `json:"fields"` // how many field lines; 431
	// LeastRate is how slowly a body may come, in bytes a second on average; less is answered
	// 408. 0: as the edge has it; -1: as slowly as it likes, for requests that are streams.
	LeastRate int64 `json:"least_rate"`
}

// Filter bounds requests.
type Filter struct{ cfg Config }

var _ filter.Maker = Make

// Make makes a filter of a [Config].
func Make(_ context.Context, _ filter.Env, with json.RawMessage) (filter.Filter, error) {
	var c Config
	if err := filter.Decode(with, &c); err != nil {
		return nil, err
	}
	var m filter.Mistakes
	if c.Fields < 0 {
		m.Add("fields", "must be 0 or more")
	}
	if c.LeastRate < -1 {
		m.Add("least_rate", "must be a number of bytes a second, or -1 for none")
	}
	if c == (Config{}) {
		m.Add("", "nothing is bounded: give body, uri, head, field, fields or least_rate")
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return &Filter{c}, nil
}

// Request turns away what is too large. A body whose length is not known beforehand is
// bounded by the engine, which r.MaxBody tells.
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	c := &f.cfg
	if most := int64(c.Body); most > 0 {
		if r.Length > most {
			return problem.New(problem.TooLarge, "the body has %d bytes, and at most %d are taken here", r.Length, most)
		}
		if r.MaxBody == 0 || most < r.MaxBody {
			r.MaxBody = most
		}
	}
	if c.LeastRate != 0 {
		r.LeastRate = c.LeastRate
	}
	if c.URI > 0 && int64(len(r.Path)+len(r.Query)) > int64(c.URI) {
		return tooLarge(http.StatusRequestURITooLong, "the path and query have more than the %d bytes that are taken here", int64(c.URI))
	}
	if c.Head > 0 || c.Field > 0 || c.Fields > 0 {
		return f.head(r.Fields)
	}
	return nil
}

func (f *Filter) head(fields filter.Fields) (err error) {
	var bytes, lines int
	fields.Each(func(name, value string) bool {
		lines++
		bytes += len(name) + len(": \r\n") + len(value)
		switch c := &f.cfg; {
		case c.Field > 0 && len(value) > int(c.Field):
			err = tooLarge(http.StatusRequestHeaderFieldsTooLarge, "the field %.60q has more than the %d bytes that are taken here", name, int64(c.Field))
		case c.Fields > 0 && lines > c.Fields:
			err = tooLarge(http.StatusRequestHeaderFieldsTooLarge, "the header has more than the %d fields that are taken here", c.Fields)
		case c.Head > 0 && bytes > int(c.Head):
			err = tooLarge(http.StatusRequestHeaderFieldsTooLarge, "the header has more than the %d bytes that are taken here", int64(c.Head))
		}
		return err == nil
	})
	return err
}

func tooLarge(status int, format string, args ...any) error {
	e := problem.New(problem.TooLarge, format, args...)
	e.Status = status
	return e
}
