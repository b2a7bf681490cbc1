package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is a struct field as encoding/json sees it, with its tags read.
type field struct {
	reflect.StructField
	json     string
	depth    int  // of embedding
	tagged   bool // the name is from the tag
	omits    bool // omitempty or omitzero
	quoted   bool // the option "string"
	required bool
	neverNil bool // nullable:"false": its author promises that a slice or map is made
}

// jsonFields returns the fields in their order. Of several with one name the
// outermost wins; two of the same depth are an error, because encoding/json would
// silently drop both.
func jsonFields(t reflect.Type, keep func(reflect.StructField) bool) ([]field, error) {
	all, err := collect(t, keep, 0, nil)
	if err != nil {
		return nil, err
	}
	var fields []field
	for _, f := range all {
		i := slices.IndexFunc(fields, func(g field) bool { return g.json == f.json })
		switch {
		case i < 0:
			fields = append(fields, f)
		case fields[i].depth == f.depth && fields[i].tagged == f.tagged:
			return nil, fmt.Errorf("%s: the fields %s and %s are both %q in JSON", t, fields[i].Name, f.Name, f.json)
		case f.depth < fields[i].depth || f.depth == fields[i].depth && f.tagged:
			fields[i] = f
		}
	}
	return fields, nil
}

func collect(t reflect.Type, keep func(reflect.StructField) bool, depth int, outer []reflect.Type) ([]field, error) {
	if slices.Contains(outer, t) {
		return nil, fmt.Errorf("%s embeds itself", t)
	}
	var all []field
	for sf := range t.Fields() {
		if sf.Tag.Get("json") == "-" {
			continue
		}
		if inner, ok := embedded(sf); ok {
			deeper, err := collect(inner, keep, depth+1, append(outer, t))
			if err != nil {
				return nil, err
			}
			all = append(all, deeper...)
			continue
		}
		if !sf.IsExported() || keep != nil && !keep(sf) {
			continue
		}
		f, err := newField(sf, depth)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name(), sf.Name, err)
		}
		all = append(all, f)
	}
	return all, nil
}

// embedded returns the struct whose fields encoding/json takes for those of the outer one.
func embedded(sf reflect.StructField) (reflect.Type, bool) {
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	return t, sf.Anonymous && name == "" && t.Kind() == reflect.Struct && !opaque(t)
}

func newField(sf reflect.StructField, depth int) (field, error) {
	name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
	f := field{StructField: sf, json: name, depth: depth, tagged: name != ""}
	if name == "" {
		f.json = sf.Name
	}
	for option := range strings.SplitSeq(options, ",") {
		f.omits = f.omits || option == "omitempty" || option == "omitzero"
		f.quoted = f.quoted || option == "string"
	}
	for tag, to := range map[string]*bool{"required": &f.required, "nullable": &f.neverNil} {
		if v, ok := sf.Tag.Lookup(tag); ok {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return f, fmt.Errorf("the tag %s must be true or false, not %q", tag, v)
			}
			*to = b != (tag == "nullable")
		}
	}
	return f, nil
}

// opaque reports whether a struct writes itself, so that its fields do not show.
func opaque(t reflect.Type) bool {
	_, known := wellKnown(t)
	_, text := textual(t, Output)
	return known || text
}

// constrain applies the field's tags to the schema of its type.
func (f field) constrain(s *Schema) (*Schema, error) {
	if f.quoted {
		quoted := Schema{Type: Types{"string"}}
		if base := s.resolve(); len(base.Type) > 0 && base.Type[0] != "string" {
			quoted.accept = func(text string) error { return reason(base.CheckText(text)) }
			s = &quoted
		}
	}
	if err := refuse(f.Tag, "default"); err != nil {
		return nil, errors.New("the tag default is for query parameters and headers")
	}
	return Constrain(s, f.Tag)
}

type reason string

func (r reason) Error() string { return string(r) }

// Constrain returns s with what the tags of a struct field say: doc, format,
// example, enum (separated by commas), default, and min and max, which bound a
// number, a text's characters or an array's items. An enum of an array bounds its
// items. An error names the tag that does not go with the type.
func Constrain(s *Schema, tag reflect.StructTag) (*Schema, error) {
	out := *s
	if s.target != nil && tag.Get("doc") == "" {
		return &out, refuse(tag, "enum", "min", "max", "default", "format", "example")
	}
	out.Description = tag.Get("doc")
	if s.target != nil || len(s.AnyOf) > 0 {
		return &out, refuse(tag, "enum", "min", "max", "default", "format", "example")
	}
	if v := tag.Get("format"); v != "" {
		out.Format = v
	}
	if v, ok := tag.Lookup("enum"); ok {
		if err := out.choose(v); err != nil {
			return nil, fmt.Errorf("the tag enum: %w", err)
		}
	}
	for _, name := range []string{"min", "max"} {
		if v, ok := tag.Lookup(name); ok {
			if err := out.bound(name, v); err != nil {
				return nil, fmt.Errorf("the tag %s: %w", name, err)
			}
		}
	}
	if v, ok := tag.Lookup("default"); ok {
		value, err := out.checked(v)
		if err != nil {
			return nil, fmt.Errorf("the tag default: %w", err)
		}
		out.Default = value
	}
	if v, ok := tag.Lookup("example"); ok {
		value, err := out.checked(v)
		if err != nil {
			return nil, fmt.Errorf("the tag example: %w", err)
		}
		out.Examples = []any{value}
	}
	return &out, nil
}

// choose sets the values there are, of an array those of its items.
func (s *Schema) choose(list string) error {
	if s.is("array") {
		items := *s.Items
		s.Items = &items
		return s.Items.choose(list)
	}
	for text := range strings.SplitSeq(list, ",") {
		value, err := s.literal(text)
		if err != nil {
			return err
		}
		s.Enum = append(s.Enum, value)
	}
	if s.is("null") {
		s.Enum = append(s.Enum, nil)
	}
	return nil
}

// checked is literal, for a value that must keep to the schema itself.
func (s *Schema) checked(text string) (any, error) {
	value, err := s.literal(text)
	if err != nil {
		return nil, err
	}
	if why := s.CheckText(text); why != "" {
		return nil, fmt.Errorf("%q %s", text, why)
	}
	return value, nil
}

func refuse(tag reflect.StructTag, names ...string) error {
	for _, name := range names {
		if _, ok := tag.Lookup(name); ok {
			return fmt.Errorf("the tag %s is for text, numbers and arrays", name)
		}
	}
	return nil
}

func (s *Schema) is(name string) bool { return slices.Contains(s.Type, name) }

// literal returns the JSON value that a tag's text stands for.
func (s *Schema) literal(text string) (any, error) {
	switch {
	case s.is("string"):
		return text, nil
	case s.is("integer"), s.is("number"):
		return number(text)
	case s.is("boolean"):
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return b, nil
	}
	return nil, fmt.Errorf("it is for text, numbers and bools")
}

// number returns a tag's text as a number in JSON.
func number(text string) (json.Number, error) {
	if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
		return "", fmt.Errorf("%q is no number", text)
	}
	return json.Number(text), nil
}

func (s *Schema) bound(which, text string) error {
	if s.is("integer") || s.is("number") {
		to := &s.Minimum
		if which == "max" {
			to = &s.Maximum
		}
		var err error
		if *to, err = number(text); err != nil {
			return err
		}
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no count", text)
	}
	switch {
	case s.is("string") && which == "min":
		s.MinLength = &n
	case s.is("string"):
		s.MaxLength = &n
	case s.is("array") && which == "min":
		s.MinItems = &n
	case s.is("array"):
		s.MaxItems = &n
	default:
		return errors.New("it is for text, numbers and arrays")
	}
	return nil
}
