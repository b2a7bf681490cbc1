package openapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// object reads a parameter that is an object, false when it is none or is not there. What
// programs may read differently, as a member that is there twice, is noted.
func (p *parameter) object(s source, found *findings, field string) (map[string]any, bool) {
	if p.inJSON || !p.kinds["object"] {
		return nil, false
	}
	known, object := properties(p.schema), map[string]any{}
	members := p.members(s, known, found, field)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		texts := members[name]
		switch {
		case p.in == inQuery && kindsOf(known[name])["array"]:
			object[name] = (&parameter{in: inQuery, explode: true, schema: known[name]}).list(texts)
		case len(texts) > 1:
			found.add(field+"/"+name, "is there %d times, and may be there once", len(texts))
		default:
			object[name] = scalar(known[name], texts[0])
		}
	}
	return object, len(members) > 0
}

// members returns what is said of those of an object, as texts.
func (p *parameter) members(s source, known map[string]*jsonschema.Schema, found *findings, field string) map[string][]string {
	members := map[string][]string{}
	switch {
	case p.style == "deepObject":
		for name, values := range s.query {
			if p.takes(name) {
				members[name[len(p.name)+1:len(name)-1]] = values
			}
		}
	case p.style == "form" && p.explode:
		for name := range known {
			values := s.query[name]
			if p.in == inCookie {
				values = cookies(s.request, name)
			}
			if len(values) > 0 {
				members[name] = values
			}
		}
	default:
		if texts := p.texts(s); len(texts) == 1 && !p.pairs(strings.Split(texts[0], ","), members) {
			found.add(field, "has a name without a value")
		}
	}
	return members
}

// pairs reads members one after the other: "a=1,b=2" where the parameter explodes, else
// "a,1,b,2". It returns false when one has no value.
func (p *parameter) pairs(pieces []string, into map[string][]string) bool {
	if p.explode {
		for _, piece := range pieces {
			name, value, ok := strings.Cut(piece, "=")
			if !ok {
				return false
			}
			into[name] = append(into[name], value)
		}
		return true
	}
	for ; len(pieces) > 1; pieces = pieces[2:] {
		into[pieces[0]] = append(into[pieces[0]], pieces[1])
	}
	return len(pieces) == 0
}
