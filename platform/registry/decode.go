package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/musterdev/muster/problem"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// decode reads a request's body, one JSON object, into a struct. Its errors are
// problems that name the key or the place.
func decode(w http.ResponseWriter, req *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("something follows the object")
		}
	}
	invalid := func(format string, args ...any) *problem.Error {
		return problem.Wrap(err, problem.InvalidArgument, "the body is not what is expected: "+format, args...)
	}
	var (
		big    *http.MaxBytesError
		typed  *json.UnmarshalTypeError
		syntax *json.SyntaxError
	)
	switch {
	case errors.As(err, &big):
		return problem.Wrap(err, problem.TooLarge, "the body is larger than %d bytes", big.Limit)
	case errors.As(err, &typed):
		return invalid("a value has the wrong type").WithField(typed.Field, fmt.Sprintf("must be %s, not %s", inJSON(typed.Type), typed.Value))
	case errors.As(err, &syntax):
		return invalid("no JSON at byte %d: %s", syntax.Offset, syntax.Error())
	case errors.Is(err, io.EOF):
		return invalid("it is empty")
	}
	// encoding/json has no type for this error, only its text
	if key, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
		key = strings.TrimSuffix(key, `"`)
		reason := "unknown key"
		if near := problem.Nearest(key, keys(into)); near != "" {
			reason += "; did you mean " + near + "?"
		}
		return invalid("unknown key").WithField(key, reason)
	}
	return invalid("%s", err)
}

// inJSON names a Go type as JSON does.
func inJSON(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a whole number"
	default: // the rest of the wire types are structs and maps
		return "an object"
	}
}

// keys returns the JSON keys of the struct that into points to.
func keys(into any) []string {
	t := reflect.TypeOf(into).Elem()
	list := make([]string, 0, t.NumField())
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		list = append(list, name)
	}
	return list
}
