package resilience

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

// MarshalJSON writes the settings with the words and units of a file, leaving out what
// is at its zero value: {"timeout":"2s","breaker":{"failures":"50%"}}.
func (s Settings) MarshalJSON() ([]byte, error) {
	out, err := outward(reflect.ValueOf(s))
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. What the text does not name stays as it
// is. A key it does not know is an error that names the one probably meant.
func (s *Settings) UnmarshalJSON(data []byte) error {
	read := s.Clone()
	if err := inward("", data, reflect.ValueOf(&read).Elem()); err != nil {
		return err
	}
	*s = read
	return nil
}

func outward(v reflect.Value) (map[string]any, error) {
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
				inner, err := outward(field)
				if err != nil {
					return nil, err
				}
				out[key] = inner
			}
		}
	}
	return out, nil
}

func inward(path string, data []byte, v reflect.Value) error {
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
		return inward(path, data, field)
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
