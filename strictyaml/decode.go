package strictyaml

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// longest is the longest duration a field may hold.
const longest = 100 * 365 * 24 * time.Hour

// Decode reads a mapping into the struct that dst points to; what says in an error
// what the mapping describes. A key is named by the field's yaml tag, else by the
// field's name in lower case; `yaml:"-"` leaves a field out, and the keys of a struct
// with `yaml:",inline"` stand beside those of the struct it is in. Fields may be texts,
// booleans, numbers, time.Duration, encoding.TextUnmarshaler, structs, pointers to
// structs, slices and maps of these with texts as keys. A key the file does not name
// leaves its field as it is, so defaults are set before. Mistakes are recorded where
// they stand; the returned error is one of the program: a dst that is no pointer to
// a struct, or a field of another type.
func (n *Node) Decode(what string, dst any) error {
	v, err := structOf(dst)
	if err != nil {
		return err
	}
	if err := decodable(v.Type(), nil); err != nil {
		return err
	}
	n.decodeStruct(what, v)
	return nil
}

// Leaf is a field of a struct that holds one value, as [Leaves] finds it.
type Leaf struct {
	Path  []string // of keys
	value reflect.Value
}

// Leaves returns the fields of the struct that dst points to which hold one value,
// those of structs within it too, so that they can be set from elsewhere.
func Leaves(dst any) ([]Leaf, error) {
	v, err := structOf(dst)
	if err != nil {
		return nil, err
	}
	return leaves(v, nil), nil
}

// Set gives the field a value written as text; the error says what it wants.
func (l Leaf) Set(text string) error {
	var errs Collector
	n := &Node{Kind: Scalar, Value: text, scalar: typeText, errs: &errs}
	switch k := l.value.Kind(); {
	case l.value.Type() == durationType, k == reflect.String, l.text() != nil:
	case k == reflect.Bool:
		if strings.EqualFold(text, "true") || strings.EqualFold(text, "false") {
			n.scalar = typeBool
		}
	case decimal.MatchString(text):
		n.scalar = typeInt
	default:
		n.scalar = typeFloat
	}
	n.decode(l.value)
	if errs.Len() > 0 {
		return fmt.Errorf("%s", errs.list[0].Message)
	}
	return nil
}

func (l Leaf) text() encoding.TextUnmarshaler { return unmarshaler(l.value) }

var durationType = reflect.TypeFor[time.Duration]()

func structOf(dst any) (reflect.Value, error) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return v, fmt.Errorf("a configuration is read into a pointer to a struct, not into %T", dst)
	}
	return v.Elem(), nil
}

func unmarshaler(v reflect.Value) encoding.TextUnmarshaler {
	if !v.CanAddr() {
		return nil
	}
	u, _ := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	return u
}

// keyOf returns the key of a field, "" for one that is left out.
func keyOf(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch name {
	case "-":
		return ""
	case "":
		return strings.ToLower(f.Name)
	}
	return name
}

// decodable refuses types that no file can fill, before any file is read.
func decodable(t reflect.Type, path []string) error {
	if t == durationType || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return nil
	case reflect.Slice, reflect.Pointer:
		return decodable(t.Elem(), path)
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return decodable(t.Elem(), path)
		}
	case reflect.Struct:
		for field := range t.Fields() {
			if key := keyOf(field); key != "" && len(path) < MaxDepth {
				if err := decodable(field.Type, slices.Concat(path, []string{key})); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return fmt.Errorf("the configuration's field %q has the type %s, which no file can fill", strings.Join(path, "."), t)
}

func leaves(v reflect.Value, path []string) []Leaf {
	var all []Leaf
	for i := range v.NumField() {
		if isInline(v.Type().Field(i)) {
			all = append(all, leaves(v.Field(i), path)...)
			continue
		}
		key := keyOf(v.Type().Field(i))
		if key == "" {
			continue
		}
		field, at := v.Field(i), slices.Concat(path, []string{key})
		switch k := field.Kind(); {
		case unmarshaler(field) != nil:
			all = append(all, Leaf{at, field})
		case k == reflect.Struct:
			all = append(all, leaves(field, at)...)
		case k != reflect.Slice && k != reflect.Map && k != reflect.Pointer:
			all = append(all, Leaf{at, field})
		}
	}
	return all
}

// FieldsOf returns what Decode reads the struct that dst points to by, for mappings that
// have other keys besides. The error is one of the program, as Decode's.
func FieldsOf(dst any) (Fields, error) {
	v, err := structOf(dst)
	if err != nil {
		return nil, err
	}
	return fieldsOf(v), decodable(v.Type(), nil)
}

func fieldsOf(v reflect.Value) Fields {
	fields := Fields{}
	for i := range v.NumField() {
		if isInline(v.Type().Field(i)) {
			maps.Copy(fields, fieldsOf(v.Field(i)))
		} else if key := keyOf(v.Type().Field(i)); key != "" {
			fields[key] = func(value *Node) { value.decode(v.Field(i)) }
		}
	}
	return fields
}

func isInline(f reflect.StructField) bool {
	return f.Type.Kind() == reflect.Struct && f.Tag.Get("yaml") == ",inline"
}

func (n *Node) decodeStruct(what string, v reflect.Value) { n.Fields(what, fieldsOf(v)) }

func (n *Node) decode(v reflect.Value) {
	if u := unmarshaler(v); u != nil {
		if text, ok := n.Word("a text"); ok {
			if err := u.UnmarshalText([]byte(text)); err != nil {
				n.Errorf("%s: %v", quote(n.Key), err)
			}
		}
		return
	}
	switch k := v.Kind(); {
	case v.Type() == durationType:
		if d, ok := n.Duration(0, longest); ok {
			v.SetInt(int64(d))
		}
	case k == reflect.String:
		if s, ok := n.Word("a text"); ok {
			v.SetString(s)
		}
	case k == reflect.Bool:
		if b, ok := n.Bool(); ok {
			v.SetBool(b)
		}
	case v.CanInt():
		low, high := math.MinInt>>(64-v.Type().Bits()), math.MaxInt>>(64-v.Type().Bits())
		if i, ok := n.Int(low, high); ok {
			v.SetInt(int64(i))
		}
	case v.CanUint():
		high := math.MaxInt
		if bits := v.Type().Bits(); bits < 64 {
			high = 1<<bits - 1
		}
		if i, ok := n.Int(0, high); ok {
			v.SetUint(uint64(i)) //nolint:gosec // not negative
		}
	case v.CanFloat():
		if f, ok := n.Float(); ok {
			v.SetFloat(f)
		}
	case k == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		n.decode(v.Elem())
	case k == reflect.Struct:
		n.decodeStruct(quote(n.Key), v)
	case k == reflect.Slice:
		n.decodeSlice(v)
	case k == reflect.Map:
		n.decodeMap(v)
	}
}

func (n *Node) decodeSlice(v reflect.Value) {
	if n.Kind != List {
		n.Wants("a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items))
	for i, item := range n.Items {
		item.decode(out.Index(i))
	}
	v.Set(out)
}

func (n *Node) decodeMap(v reflect.Value) {
	out := reflect.MakeMap(v.Type())
	for _, p := range n.Each("names to values") {
		value := reflect.New(v.Type().Elem()).Elem()
		p.Value.decode(value)
		out.SetMapIndex(reflect.ValueOf(p.Name).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}
