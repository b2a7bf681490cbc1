package openapi

import (
	"encoding/json"
	"slices"
)

// Schema is a JSON Schema, as far as Go types need one. Make it with
// [Schemas.Of]; one that is shared must not be changed.
type Schema struct {
	Ref             string       `json:"$ref,omitempty"`
	AnyOf           []*Schema    `json:"anyOf,omitempty"`
	Type            Types        `json:"type,omitempty"`
	Format          string       `json:"format,omitempty"`
	ContentEncoding string       `json:"contentEncoding,omitempty"`
	Description     string       `json:"description,omitempty"`
	Enum            []any        `json:"enum,omitempty"`
	Default         any          `json:"default,omitempty"`
	Examples        []any        `json:"examples,omitempty"`
	Minimum         json.Number  `json:"minimum,omitempty"`
	Maximum         json.Number  `json:"maximum,omitempty"`
	MinLength       *int         `json:"minLength,omitempty"` // in characters
	MaxLength       *int         `json:"maxLength,omitempty"`
	MinItems        *int         `json:"minItems,omitempty"`
	MaxItems        *int         `json:"maxItems,omitempty"`
	Items           *Schema      `json:"items,omitempty"`
	Properties      Map[*Schema] `json:"properties,omitempty"`
	Required        []string     `json:"required,omitempty"`
	Additional      *Schema      `json:"additionalProperties,omitempty"` // of a map: its values
	Closed          bool         `json:"-"`                              // no property beside Properties; written as additionalProperties: false

	target *Schema            // what Ref refers to
	named  *component         // set on a target: its name is not known before all are collected
	bits   int                // of an integer; negative when it has no sign
	accept func(string) error // what the Go type takes of a string, beyond what the schema can say
}

// Types is one type or several; of one, JSON has the plain name.
type Types []string

// MarshalJSON writes a single type as a string.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// MarshalJSON resolves what is only known at the end: names, and closedness.
func (s *Schema) MarshalJSON() ([]byte, error) {
	type plain Schema // without this method
	out := struct {
		*plain
		Closed *bool `json:"additionalProperties,omitempty"` // shallower than Additional: wins
	}{plain: (*plain)(s)}
	if s.target != nil {
		ref := plain(*s)
		ref.Ref = "#/components/schemas/" + s.target.named.name
		out.plain = &ref
	}
	if s.Closed {
		no := false
		out.Closed = &no
		return json.Marshal(out)
	}
	return json.Marshal(out.plain)
}

// resolve follows a reference.
func (s *Schema) resolve() *Schema {
	for s != nil && s.target != nil {
		s = s.target
	}
	return s
}

// nullable returns s with null allowed.
func (s *Schema) nullable() *Schema {
	switch {
	case s.target != nil:
		return &Schema{AnyOf: []*Schema{s, {Type: Types{"null"}}}}
	case len(s.Type) == 0: // anything, null included
		return s
	}
	with := *s
	with.Type = append(slices.Clip(with.Type), "null")
	if len(with.Enum) > 0 {
		with.Enum = append(slices.Clip(with.Enum), nil)
	}
	return &with
}
