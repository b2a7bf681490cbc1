package filter

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

// Decode reads the With of a Spec into a struct with JSON names, which are in small letters.
// Unknown members are mistakes, and so are those that are there twice, or in capitals:
// encoding/json would have the last one count.
func Decode(with json.RawMessage, into any) error {
	if len(with) == 0 {
		with = json.RawMessage("{}")
	}
	e := problem.New(problem.InvalidArgument, "the filter cannot be read")
	if name, reason := badMember(with); reason != "" {
		return e.WithField(name, reason)
	}
	d := json.NewDecoder(bytes.NewReader(with))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err == nil {
		return nil
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && kind.Field != "" {
		return e.WithField(written(kind.Field), fmt.Sprintf("must be %s, not %s", wanted(kind.Type), given(kind.Value)))
	}
	return e.WithField("", err.Error())
}

// badMember returns a member of the object that is there twice, or has capitals.
func badMember(with json.RawMessage) (name, reason string) {
	d := json.NewDecoder(bytes.NewReader(with))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return "", "" // said when it is read
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return "", ""
		}
		switch {
		case strings.ToLower(name) != name:
			return name, fmt.Sprintf("is not known; names are in small letters: %s", strings.ToLower(name))
		case seen[name]:
			return name, "is there twice"
		}
		seen[name] = true
	}
	return "", ""
}

// written is the path of a member as people write it: without the names that structs within
// structs have in Go.
func written(path string) string {
	var kept []string
	for name := range strings.SplitSeq(path, ".") {
		if name != "" && (name[0] < 'A' || name[0] > 'Z') {
			kept = append(kept, name)
		}
	}
	return strings.Join(kept, ".")
}

// wanted names a type for people who know no Go.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return `a length of time, zero or more, such as "500ms" or "10s"`
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "a text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.String {
			return "a list of texts"
		}
		return "a list"
	case reflect.Map, reflect.Struct, reflect.Pointer, reflect.Interface:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

// given names what stands there.
func given(value string) string {
	switch value {
	case "string":
		return "a text"
	case "number", "array", "object", "bool":
		return map[string]string{"number": "a number", "array": "a list", "object": "an object", "bool": "true or false"}[value]
	}
	return value
}
