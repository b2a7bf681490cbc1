package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/musterdev/muster/problem"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// decode reads a request's body, one JSON object, into a struct. Its errors are
// problems that name the key or the place. Keys are compared exactly, and one given
// twice is refused: encoding/json is lenient there, and others who read it may be not.
func decode(w http.ResponseWriter, req *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err == nil {
		err = dec.Decode(into)
	}
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return checkKeys(body, keys(into))
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
		return wrongKey(strings.TrimSuffix(key, `"`), keys(into))
	}
	return invalid("%s", err)
}

func wrongKey(key string, known []string) error {
	reason := "unknown key"
	if near := problem.Nearest(key, known); near != "" {
		reason += "; did you mean " + near + "?"
	}
	return problem.New(problem.InvalidArgument, "the body is not what is expected: unknown key").WithField(key, reason)
}

// checkKeys refuses keys of the outermost object that are not exactly known, and in any
// object one given twice. The body was decoded before, so it is well-formed.
func checkKeys(body []byte, known []string) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	return eachKey(dec, "", func(key string) error {
		if !slices.Contains(known, key) {
			return wrongKey(key, known)
		}
		return nil
	})
}

// eachKey reads a value and, of an object, gives its keys to check.
func eachKey(dec *json.Decoder, at string, check func(key string) error) error {
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return err // the wire types have no lists
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string) // the decoder takes no other key
		if seen[key] {
			return problem.New(problem.InvalidArgument, "the body is not what is expected: a key twice").WithField(at+key, "is given twice")
		}
		seen[key] = true
		if err := check(key); err != nil {
			return err
		}
		if err := eachKey(dec, at+key+".", func(string) error { return nil }); err != nil {
			return err
		}
	}
	_, err := dec.Token() // the }
	return err
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
