package signal

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// Type is what an attribute's value is.
type Type uint8

// The types of values. OTLP's arrays, maps and bytes are kept as JSON.
const (
	String Type = iota
	Int
	Float
	Bool
	JSON
)

// Value is the value of an attribute. The zero value is the empty text.
type Value struct {
	Type   Type
	Text   string // of String and JSON
	Number uint64 // of Int, Float (its bits) and Bool (0, 1)
}

// StringValue makes a text.
func StringValue(s string) Value { return Value{Text: s} }

// IntValue makes a whole number.
func IntValue(n int64) Value { return Value{Type: Int, Number: uint64(n)} }

// FloatValue makes a number.
func FloatValue(f float64) Value { return Value{Type: Float, Number: math.Float64bits(f)} }

// BoolValue makes true or false.
func BoolValue(b bool) Value {
	v := Value{Type: Bool}
	if b {
		v.Number = 1
	}
	return v
}

// JSONValue makes an array, a map or bytes of its JSON.
func JSONValue(text string) Value { return Value{Type: JSON, Text: text} }

// String returns the value as a text: what searches compare with.
func (v Value) String() string {
	switch v.Type {
	case Int:
		return strconv.FormatInt(int64(v.Number), 10)
	case Float:
		return strconv.FormatFloat(math.Float64frombits(v.Number), 'g', -1, 64)
	case Bool:
		return strconv.FormatBool(v.Number != 0)
	case String, JSON:
	}
	return v.Text
}

// MarshalJSON returns a text, a number, true or false, or the JSON itself. A number that
// JSON has no form for is a text.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.Type {
	case Float:
		if f := math.Float64frombits(v.Number); math.IsNaN(f) || math.IsInf(f, 0) {
			return json.Marshal(v.String())
		}
		return []byte(v.String()), nil
	case Int, Bool:
		return []byte(v.String()), nil
	case JSON:
		if json.Valid([]byte(v.Text)) {
			return []byte(v.Text), nil
		}
	case String:
	}
	return json.Marshal(v.Text)
}

// Attribute is a name and a value.
type Attribute struct {
	Key   string
	Value Value
}

// Attributes are in the order in which they were sent.
type Attributes []Attribute

// Get returns the value of the first attribute of that name.
func (a Attributes) Get(key string) (Value, bool) {
	i := slices.IndexFunc(a, func(at Attribute) bool { return at.Key == key })
	if i < 0 {
		return Value{}, false
	}
	return a[i].Value, true
}

// Text returns the value of an attribute as a text; "" where there is none.
func (a Attributes) Text(key string) string {
	v, _ := a.Get(key)
	return v.String()
}

// MarshalJSON returns an object. Of two attributes of a name the first counts.
func (a Attributes) MarshalJSON() ([]byte, error) {
	m := make(map[string]Value, len(a))
	for _, at := range slices.Backward(a) {
		m[at.Key] = at.Value
	}
	return json.Marshal(m)
}
