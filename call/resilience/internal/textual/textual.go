// Package textual writes structs whose fields are named by their yaml tags as JSON, with the
// words and units of a file, and reads them.
package textual

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/musterdev/muster/problem"
)

// Outward returns the fields of a struct by their names in a file, without those at their
// zero value.
func Outward(v reflect.Value) (map[string]any, error) {
	out := map[string]any{}
	for i := range v.NumField() {
		field, key := v.Field(i), v.Type().Field(i).Tag.Get("yaml")
		used := field.Kind() == reflect.Pointer && !field.IsNil()
		if field.Kind() == reflect.Pointer {
			field = reflect.Indirect(field)
		}
		if !field.IsValid() || field.IsZero() && !used {
			continue
		}
		switch x := field.Interface().(type) {
		case time.Duration:
			out[key] = x.String()
		case encoding.TextMarshaler:
			out[key] = x
		default:
			out[key] = x
			if field.Kind() == reflect.Struct {
				inner, err := Outward(field)
				if err != nil {
					return nil, err
				}
				out[key] = inner
			}
		}
	}
	return out, nil
}

// Inward sets the fields of a struct that data, an object, names. path is where that is in
// the whole, for messages. What data does not name stays as it is.
func Inward(path string, data []byte, v reflect.Value) error {
	where := func(key string) string {
		if path == "" {
			return key
		}
		return path + "." + key
	}
	var pairs map[string]json.RawMessage
	if err := json.Unmarshal(data, &pairs); err != nil {
		return fmt.Errorf("%s wants an object: %w", where("settings"), err)
	}
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("yaml")] = v.Field(i)
	}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		field, ok := fields[key]
		if !ok {
			hint := ""
			if near := problem.Nearest(key, slices.Collect(maps.Keys(fields))); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			return fmt.Errorf("unknown key %.60q%s", where(key), hint)
		}
		if err := inwardField(where(key), pairs[key], field); err != nil {
			return err
		}
	}
	return nil
}

func inwardField(path string, data []byte, field reflect.Value) error {
	if field.Kind() == reflect.Pointer {
		if bytes.Equal(data, []byte("null")) {
			field.SetZero()
			return nil
		}
		if field.IsNil() {
			field.Set(reflect.New(field.Type().Elem()))
		}
		field = field.Elem()
	}
	if field.Kind() == reflect.Struct {
		return Inward(path, data, field)
	}
	if field.Type() == reflect.TypeFor[time.Duration]() {
		var text string
		err := json.Unmarshal(data, &text)
		d, bad := time.ParseDuration(text)
		if err != nil || bad != nil {
			return fmt.Errorf("%s wants a duration such as \"200ms\"; found %.40s", path, data)
		}
		field.SetInt(int64(d))
		return nil
	}
	if err := json.Unmarshal(data, field.Addr().Interface()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
