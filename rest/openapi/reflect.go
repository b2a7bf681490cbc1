package openapi

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Direction says which way a value goes; the same Go type can have two schemas.
type Direction int

// The directions.
const (
	Input  Direction = iota // from a client: what is required has the tag, what is unknown is refused
	Output                  // to a client: what is always written is required, what is unknown may come
)

// Schemas makes schemas of Go types and collects the named ones as components. The
// zero value is ready; it is for one goroutine.
type Schemas struct {
	depth int // of the type at hand; types that only nest themselves have no end
	list  []*component
	byKey map[key]*component
}

type key struct {
	t   reflect.Type
	dir Direction
}

type component struct {
	key
	name   string // known after Components
	schema *Schema
}

// Of returns the schema of what encoding/json makes of t. Struct types with a name
// become components and are returned as references. An error names the field that
// JSON has no form for.
func (s *Schemas) Of(t reflect.Type, dir Direction) (*Schema, error) {
	return s.of(t, dir, nil)
}

// of knows the struct fields it is inside of only by the error it returns.
func (s *Schemas) of(t reflect.Type, dir Direction, tag *field) (*Schema, error) {
	if s.depth++; s.depth > maxDepth {
		return nil, fmt.Errorf("the type %s nests itself without end", t)
	}
	defer func() { s.depth-- }()
	if known, ok := wellKnown(t); ok {
		return known, nil
	}
	if t.Kind() == reflect.Pointer {
		elem, err := s.of(t.Elem(), dir, tag)
		if err != nil || dir == Output && tag != nil && tag.omits {
			return elem, err // a nil one is left out, so null is never seen
		}
		return elem.nullable(), nil
	}
	if known, ok := textual(t, dir); ok {
		return known, nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.Object(t, dir, nil)
	case reflect.Slice, reflect.Array:
		return s.array(t, dir, tag)
	case reflect.Map:
		return s.object(t, dir, tag)
	case reflect.Interface:
		return &Schema{}, nil
	default:
		if basic := basicOf(t); basic != nil {
			return basic, nil
		}
	}
	return nil, fmt.Errorf("JSON has no form for the type %s", t)
}

func (s *Schemas) array(t reflect.Type, dir Direction, tag *field) (*Schema, error) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		return &Schema{Type: Types{"string"}, ContentEncoding: "base64", accept: func(s string) error {
			if _, err := base64.StdEncoding.DecodeString(s); err != nil {
				return fmt.Errorf("must be base64 (RFC 4648, section 4)")
			}
			return nil
		}}, nil
	}
	items, err := s.of(t.Elem(), dir, nil)
	if err != nil {
		return nil, fmt.Errorf("[]: %w", err)
	}
	a := &Schema{Type: Types{"array"}, Items: items}
	if t.Kind() == reflect.Array {
		n := t.Len()
		a.MinItems, a.MaxItems = &n, &n
		return a, nil
	}
	return a.maybeNull(dir, tag), nil
}

func (s *Schemas) object(t reflect.Type, dir Direction, tag *field) (*Schema, error) {
	textKey := t.Key().Implements(reflect.TypeFor[encoding.TextMarshaler]())
	if basic := basicOf(t.Key()); !textKey && (basic == nil || basic.Type[0] != "string" && basic.Type[0] != "integer") {
		return nil, fmt.Errorf("JSON has no form for the map key %s", t.Key())
	}
	values, err := s.of(t.Elem(), dir, nil)
	if err != nil {
		return nil, fmt.Errorf("{}: %w", err)
	}
	return (&Schema{Type: Types{"object"}, Additional: values}).maybeNull(dir, tag), nil
}

// maybeNull allows null where encoding/json would write a nil slice or map.
func (s *Schema) maybeNull(dir Direction, tag *field) *Schema {
	if dir == Output && tag != nil && !tag.omits && !tag.neverNil {
		return s.nullable()
	}
	return s
}

func (s *Schemas) register(k key) *component {
	c := &component{key: k, schema: &Schema{}}
	c.schema.named = c
	if s.byKey == nil {
		s.byKey = map[key]*component{}
	}
	s.byKey[k] = c
	s.list = append(s.list, c)
	return c
}

// Object returns the schema of a struct of which only the fields that keep accepts
// are in the JSON, all when it is nil; rest takes the body's fields of a request's
// struct so. It is a reference when t has a name.
func (s *Schemas) Object(t reflect.Type, dir Direction, keep func(reflect.StructField) bool) (*Schema, error) {
	if t.Name() == "" {
		schema := &Schema{}
		return schema, s.fill(schema, t, dir, keep)
	}
	k := key{t, dir}
	if c := s.byKey[k]; c != nil {
		return &Schema{target: c.schema}, nil
	}
	c := s.register(k) // before it is filled, so that types may recur
	return &Schema{target: c.schema}, s.fill(c.schema, t, dir, keep)
}

func (s *Schemas) fill(schema *Schema, t reflect.Type, dir Direction, keep func(reflect.StructField) bool) error {
	schema.Type, schema.Closed = Types{"object"}, dir == Input
	fields, err := jsonFields(t, keep)
	if err != nil {
		return err
	}
	for _, f := range fields {
		fs, err := s.of(f.Type, dir, &f)
		if err == nil {
			fs, err = f.constrain(fs)
		}
		if err != nil {
			return fmt.Errorf("%s.%s: %w", t.Name(), f.Name, err)
		}
		schema.Properties = append(schema.Properties, Entry[*Schema]{f.json, fs})
		if f.required || dir == Output && !f.omits {
			schema.Required = append(schema.Required, f.json)
		}
	}
	return nil
}

// wellKnown returns the schema of standard types that encoding/json treats on their own.
func wellKnown(t reflect.Type) (*Schema, bool) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &Schema{Type: Types{"string"}, Format: "date-time", accept: func(s string) error {
			if _, err := time.Parse(time.RFC3339, s); err != nil {
				return fmt.Errorf("must be a time such as 2026-01-31T15:04:05Z")
			}
			return nil
		}}, true
	case reflect.TypeFor[json.RawMessage]():
		return &Schema{}, true
	case reflect.TypeFor[json.Number]():
		return &Schema{Type: Types{"number"}, bits: 64}, true
	}
	return nil, false
}

// textual returns the schema of a type that writes itself: text is a string, and of
// JSON of its own nothing is known.
func textual(t reflect.Type, dir Direction) (*Schema, bool) {
	ptr := reflect.PointerTo(t)
	custom, text := reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()
	if dir == Input {
		custom, text = reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()
	}
	switch {
	case t.Kind() == reflect.Interface:
		return nil, false
	case t.Implements(custom) || ptr.Implements(custom):
		return &Schema{}, true
	case t.Implements(text) || ptr.Implements(text):
		schema := &Schema{Type: Types{"string"}}
		if ptr.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			schema.accept = func(s string) error {
				u, _ := reflect.TypeAssert[encoding.TextUnmarshaler](reflect.New(t))
				return u.UnmarshalText([]byte(s))
			}
		}
		return schema, true
	}
	return nil, false
}

// basicOf returns the schema of a kind that is one JSON scalar, nil for others.
func basicOf(t reflect.Type) *Schema {
	switch t.Kind() {
	case reflect.Bool:
		return &Schema{Type: Types{"boolean"}}
	case reflect.String:
		return &Schema{Type: Types{"string"}}
	case reflect.Float32:
		return &Schema{Type: Types{"number"}, Format: "float", bits: 32}
	case reflect.Float64:
		return &Schema{Type: Types{"number"}, Format: "double", bits: 64}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &Schema{Type: Types{"integer"}, Format: fmt.Sprintf("int%d", t.Bits()), bits: t.Bits()}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: Types{"integer"}, Format: fmt.Sprintf("uint%d", t.Bits()), Minimum: "0", bits: -t.Bits()}
	default:
		return nil
	}
}

// Scalar returns the schema of a value that is written as one text: in the path,
// the query or a header.
func Scalar(t reflect.Type) (*Schema, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[time.Duration]() {
		return nil, fmt.Errorf("a time.Duration is no parameter: take a number whose name says the unit")
	}
	if known, ok := wellKnown(t); ok && len(known.Type) > 0 {
		return known, nil
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		known, _ := textual(t, Input)
		if known == nil || len(known.Type) == 0 {
			known = &Schema{Type: Types{"string"}}
		}
		return known, nil
	}
	if basic := basicOf(t); basic != nil {
		return basic, nil
	}
	return nil, fmt.Errorf("the type %s is no parameter: take text, a number, a bool, a time or an encoding.TextUnmarshaler", strings.TrimPrefix(t.String(), "*"))
}
