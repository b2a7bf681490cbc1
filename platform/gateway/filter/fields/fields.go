// Package fields changes header fields of requests and answers: the kind "fields". What says
// where a message ends, what belongs to one connection, and what the edge itself tells
// services of a request cannot be touched.
package fields

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Config is what the kind is told.
type Config struct {
	Request Changes `json:"request"` // of requests, on their way to the service
	Answer  Changes `json:"answer"`  // of answers, those of the edge itself too
}

// Changes are done in this order: rename, remove, set, add. Values may have places that are
// filled from the request: {subject}, {issuer}, {by}, {scopes}, {claim:NAME}, {field:NAME},
// {client}, {request_id}, {method}, {host}, {path}, {query}, {route}; {{ and }} are braces. A
// value with a place that nothing fills is not added, and set removes the field.
type Changes struct {
	Rename map[string]string `json:"rename"` // old name to new one
	Remove []string          `json:"remove"` // a name, or a beginning of names and *, as in X-Internal-*
	Set    map[string]string `json:"set"`    // in the place of what is there
	Add    map[string]string `json:"add"`    // beside what is there
}

// Filter changes fields.
type Filter struct{ request, answer changes }

// Both sides of it.
var (
	_ filter.Maker    = Make
	_ filter.Answerer = (*Filter)(nil)
)

type changes struct {
	rename []pair
	remove []string
	below  []string // beginnings of names, in small letters
	set    []value
	add    []value
}

type pair struct{ from, to string }

type value struct {
	name string
	template
}

// Make makes a filter of a [Config].
func Make(_ context.Context, _ filter.Env, with json.RawMessage) (filter.Filter, error) {
	var c Config
	if err := filter.Decode(with, &c); err != nil {
		return nil, err
	}
	var m filter.Mistakes
	f := &Filter{request: read(&m, "request", c.Request, true), answer: read(&m, "answer", c.Answer, false)}
	if f.request.none() && f.answer.none() {
		m.Add("", "nothing is changed: give request or answer, with set, add, remove or rename")
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

func read(m *filter.Mistakes, side string, c Changes, request bool) (read changes) {
	check := func(field, name string) {
		if reason := refused(name, request); reason != "" {
			m.Add(field, "%s", reason)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(c.Rename)) {
		field := fmt.Sprintf("%s.rename.%s", side, from)
		check(field, from)
		check(field, c.Rename[from])
		read.rename = append(read.rename, pair{from, c.Rename[from]})
	}
	for i, name := range c.Remove {
		field := fmt.Sprintf("%s.remove[%d]", side, i)
		begin, many := strings.CutSuffix(name, "*")
		if !many {
			check(field, name)
			read.remove = append(read.remove, name)
			continue
		}
		if !filter.ValidName(begin) {
			m.Add(field, "%.60q is not the beginning of names and *", name)
		}
		read.below = append(read.below, strings.ToLower(begin))
	}
	values := func(kind string, told map[string]string) (list []value) {
		for _, name := range slices.Sorted(maps.Keys(told)) {
			field := fmt.Sprintf("%s.%s.%s", side, kind, name)
			check(field, name)
			t, err := parse(strings.Trim(told[name], " \t"))
			if err != nil {
				m.Add(field, "%s", err)
			}
			list = append(list, value{name, t})
		}
		return list
	}
	read.set, read.add = values("set", c.Set), values("add", c.Add)
	return read
}

func (c *changes) none() bool {
	return len(c.rename)+len(c.remove)+len(c.below)+len(c.set)+len(c.add) == 0
}

// Request changes the fields that go to the service.
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	f.request.apply(r, r.Fields, true)
	return nil
}

// Answer changes the fields that go to the client.
func (f *Filter) Answer(r *filter.Request, _ int, fields filter.Fields) {
	f.answer.apply(r, fields, false)
}

func (c *changes) apply(r *filter.Request, fields filter.Fields, request bool) {
	for _, p := range c.rename {
		values := fields.Values(p.from)
		if len(values) == 0 {
			continue
		}
		values = slices.Clone(values)
		fields.Del(p.from)
		fields.Del(p.to)
		for _, v := range values {
			fields.Add(p.to, v)
		}
	}
	for _, name := range c.remove {
		fields.Del(name)
	}
	c.removeBelow(fields, request)
	for _, v := range c.set {
		if text := v.fill(r); text != "" {
			fields.Set(v.name, text)
		} else {
			fields.Del(v.name)
		}
	}
	for _, v := range c.add {
		if text := v.fill(r); text != "" {
			fields.Add(v.name, text)
		}
	}
}

// removeBelow removes all fields whose names begin so, but those that are not touched.
func (c *changes) removeBelow(fields filter.Fields, request bool) {
	if len(c.below) == 0 {
		return
	}
	var found []string
	fields.Each(func(name, _ string) bool {
		lower := strings.ToLower(name)
		if slices.ContainsFunc(c.below, func(b string) bool { return strings.HasPrefix(lower, b) }) && refused(name, request) == "" {
			found = append(found, strings.Clone(name))
		}
		return true
	})
	for _, name := range found {
		fields.Del(name)
	}
}
