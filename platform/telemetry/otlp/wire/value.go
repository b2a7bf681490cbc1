package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// maxDepth is how deep arrays and maps may lie in one another in a value.
const maxDepth = 16

// attribute reads a KeyValue and puts it on the stack, if fewer than the limit lie there
// above base.
func (d *decoder) attribute(kv string, base int) error {
	full := len(d.stack)-base >= d.lim.List
	before, repairs := d.size, d.repairs
	key, raw, err := pair(kv)
	if err != nil {
		return err
	}
	v, err := d.value(raw)
	if err != nil {
		return err
	}
	if full || key == "" { // OpenTelemetry's attributes have names
		d.size, d.repairs = before, repairs|CutList
		return nil
	}
	d.stack = append(d.stack, signal.Attribute{Key: d.text(key, maxName), Value: v})
	return nil
}

// pair reads a KeyValue's key and the wire form of its value.
func pair(kv string) (key, value string, err error) {
	c := over(kv)
	for c.next() {
		switch c.key {
		case 1<<3 | delimited:
			key = c.text()
		case 2<<3 | delimited:
			value = joined(value, c.text()) // protobuf merges a message that comes twice
		default:
			c.skip()
		}
	}
	return key, value, c.err("an attribute")
}

// joined is the wire form of two messages merged: one after the other.
func joined(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + b
}

// any is an AnyValue: which of its fields is set, and that field.
type anyValue struct {
	field uint64 // 0: none
	text  string // of string, array, map and bytes
	bits  uint64 // of bool, int and double
}

// The fields of AnyValue.
const (
	anyString = 1
	anyBool   = 2
	anyInt    = 3
	anyDouble = 4
	anyArray  = 5
	anyMap    = 6
	anyBytes  = 7
)

// anyOf reads an AnyValue. The last field that is set counts; an array or map that comes
// twice in a row is one.
func anyOf(raw string) (anyValue, error) {
	var v anyValue
	c := over(raw)
	for c.next() {
		f := c.key >> 3
		switch c.key {
		case anyString<<3 | delimited, anyBytes<<3 | delimited:
			v = anyValue{field: f, text: c.text()}
		case anyArray<<3 | delimited, anyMap<<3 | delimited:
			if v.field != f {
				v = anyValue{field: f}
			}
			v.text = joined(v.text, c.text())
		case anyBool<<3 | varint, anyInt<<3 | varint:
			v = anyValue{field: f, bits: c.varint()}
		case anyDouble<<3 | fixed64:
			v = anyValue{field: f, bits: c.fixed64()}
		case 8<<3 | varint: // string_value_strindex, of profiles: it is one of the oneof
			c.skip()
			v = anyValue{}
		default:
			c.skip()
		}
	}
	return v, c.err("a value")
}

// value reads an AnyValue to the end.
func (d *decoder) value(raw string) (signal.Value, error) {
	v, err := anyOf(raw)
	if err != nil {
		return signal.Value{}, err
	}
	switch v.field {
	case anyString:
		return signal.StringValue(d.text(v.text, d.lim.Value)), nil
	case anyBool:
		return signal.BoolValue(v.bits != 0), nil
	case anyInt:
		return signal.IntValue(int64(v.bits)), nil
	case anyDouble:
		return signal.FloatValue(double(v.bits)), nil
	case anyArray, anyMap, anyBytes:
		d.scratch, err = d.json(d.scratch[:0], v, 1)
		if err != nil {
			return signal.Value{}, err
		}
		if len(d.scratch) > d.lim.Value { // half of a JSON is none: what is kept of it is a text
			d.size += min(len(d.scratch), d.lim.Value)
			return signal.StringValue(d.shorten(string(d.scratch), d.lim.Value)), nil
		}
		d.size += len(d.scratch)
		return signal.JSONValue(string(d.scratch)), nil
	}
	return signal.Value{}, nil
}

// json appends a value as JSON: bytes as base64, a number that JSON lacks as a text.
func (d *decoder) json(b []byte, v anyValue, depth int) ([]byte, error) {
	switch v.field {
	case anyString:
		return quote(b, d.valid(v.text)), nil
	case anyBool:
		return strconv.AppendBool(b, v.bits != 0), nil
	case anyInt:
		return strconv.AppendInt(b, int64(v.bits), 10), nil
	case anyDouble:
		f := double(v.bits)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return quote(b, strconv.FormatFloat(f, 'g', -1, 64)), nil
		}
		return strconv.AppendFloat(b, f, 'g', -1, 64), nil
	case anyBytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, []byte(v.text))
		return append(b, '"'), nil
	case anyArray, anyMap:
		if depth > maxDepth {
			d.repairs |= Deep
			return append(b, "null"...), nil
		}
		return d.list(b, v, depth)
	}
	return append(b, "null"...), nil
}

// list appends an array or a map (in both field 1 has what is in it).
func (d *decoder) list(b []byte, v anyValue, depth int) ([]byte, error) {
	first, last := byte('['), byte(']')
	if v.field == anyMap {
		first, last = '{', '}'
	}
	b = append(b, first)
	start := len(b)
	c := over(v.text)
	for c.next() {
		if c.key != 1<<3|delimited {
			c.skip()
			continue
		}
		raw := c.text()
		if c.bad {
			break
		}
		if len(b) > start {
			b = append(b, ',')
		}
		if v.field == anyMap {
			key, value, err := pair(raw)
			if err != nil {
				return b, err
			}
			b = append(quote(b, d.valid(key)), ':')
			raw = value
		}
		item, err := anyOf(raw)
		if err != nil {
			return b, err
		}
		if b, err = d.json(b, item, depth+1); err != nil {
			return b, err
		}
		if len(b) > 2*d.lim.Value { // it will be cut; what follows is not read
			break
		}
	}
	return append(b, last), c.err("a list")
}

// quote appends s, which is UTF-8, as a JSON string. Letters that only HTML minds stay as they are,
// whatever stands beside them: who looks for "a&b" finds it.
func quote(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] >= utf8.RuneSelf {
			q := bytes.NewBuffer(b)
			e := json.NewEncoder(q)
			e.SetEscapeHTML(false)
			if err := e.Encode(s); err != nil { // no string fails
				return append(b, `""`...)
			}
			return bytes.TrimSuffix(q.Bytes(), []byte("\n"))
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// text returns s as it is kept: valid UTF-8 of at most limit bytes and a mark.
func (d *decoder) text(s string, limit int) string {
	if len(s) > limit {
		s = d.shorten(s, limit)
	}
	d.size += len(s)
	return d.valid(s)
}

func (d *decoder) valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	d.repairs |= BadText
	return strings.ToValidUTF8(s, "\uFFFD")
}

// shorten cuts s, which is longer than limit, where no letter is cut in two, and marks it.
func (d *decoder) shorten(s string, limit int) string {
	d.repairs |= CutText
	for range utf8.UTFMax - 1 {
		if limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
	}
	return s[:limit] + Mark
}

// Mark ends a text that was cut.
const Mark = " … (cut)"

// name returns a copy of s, cut and valid: one of each name in the body.
func (d *decoder) name(s string) string {
	if n, ok := d.names[s]; ok && len(s) <= maxName {
		d.size += len(n)
		return n
	}
	n := strings.Clone(d.text(s, maxName))
	if n == s && len(d.names) < 1024 {
		d.names[n] = n
	}
	return n
}

// cut takes the attributes above base from the stack into a list of their own.
func (d *decoder) cut(base int) signal.Attributes {
	top := d.stack[base:]
	d.stack = d.stack[:base]
	d.parts += len(top)
	if len(top) == 0 {
		return nil
	}
	if cap(d.slab)-len(d.slab) < len(top) {
		d.slab = make([]signal.Attribute, 0, max(d.grow, len(top)))
	}
	from := len(d.slab)
	d.slab = append(d.slab, top...)
	return signal.Attributes(d.slab[from:len(d.slab):len(d.slab)])
}

// weight is about what an attribute takes, in bytes.
func weight(a *signal.Attribute) int { return len(a.Key) + len(a.Value.Text) + 8 }
