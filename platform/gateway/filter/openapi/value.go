package openapi

import (
	"encoding/json"
	"maps"
	"regexp"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// deep bounds how far a schema is followed to learn what it takes.
const deep = 8

// walk calls f with a schema and those it is made of.
func walk(s *jsonschema.Schema, depth int, f func(*jsonschema.Schema)) {
	if s == nil || depth > deep {
		return
	}
	f(s)
	walk(s.Ref, depth+1, f)
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		for _, part := range list {
			walk(part, depth+1, f)
		}
	}
}

// kindsOf returns the types that a schema names; "integer" is "number" too.
func kindsOf(s *jsonschema.Schema) map[string]bool {
	kinds := map[string]bool{}
	walk(s, 0, func(s *jsonschema.Schema) {
		if s.Types == nil {
			return
		}
		for _, t := range s.Types.ToStrings() {
			kinds[t] = true
		}
	})
	if kinds["integer"] {
		kinds["number"] = true
	}
	return kinds
}

// properties returns the schemas of an object's members.
func properties(s *jsonschema.Schema) map[string]*jsonschema.Schema {
	all := map[string]*jsonschema.Schema{}
	walk(s, 0, func(s *jsonschema.Schema) {
		maps.Copy(all, s.Properties)
	})
	return all
}

// itemsOf returns the schema of an array's items; nil when it says nothing of them.
func itemsOf(s *jsonschema.Schema) (items *jsonschema.Schema) {
	walk(s, 0, func(s *jsonschema.Schema) {
		if items == nil {
			items = s.Items2020
		}
	})
	return items
}

// number is RFC 8259, 6, and short enough to be one.
var number = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,39})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?$`)

// scalar reads a text as what its schema takes; what it may be besides is tried, and a text is
// always one.
func scalar(s *jsonschema.Schema, text string) any {
	if s == nil {
		return text
	}
	kinds := kindsOf(s)
	var read any
	switch {
	case kinds["number"] && number.MatchString(text):
		read = json.Number(text)
	case kinds["boolean"] && (text == "true" || text == "false"):
		read = text == "true"
	case kinds["null"] && text == "":
	default:
		return text
	}
	if kinds["string"] && s.Validate(read) != nil {
		return text
	}
	return read
}
