package openapi

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/musterdev/muster/problem"
)

// content is what is said of bodies, by media type or range of them.
type content struct{ types map[string]*jsonschema.Schema } // nil: of that type, whatever it says

// body is what is said of a request's.
type body struct {
	content

	required bool
}

func newBody(d *document, pointer string) (*body, error) {
	node, pointer, err := d.at(pointer)
	if err != nil {
		return nil, err
	}
	c, err := newContent(d, asked, node, pointer)
	if err != nil {
		return nil, err
	}
	required, _ := node["required"].(bool)
	return &body{*c, required}, nil
}

func newContent(d *document, reading string, node map[string]any, pointer string) (*content, error) {
	c := &content{types: map[string]*jsonschema.Schema{}}
	types, _ := node["content"].(map[string]any)
	for kind := range types {
		one, at, err := d.at(below(below(pointer, "content"), kind))
		if err != nil {
			return nil, err
		}
		plain := strings.ToLower(strings.TrimSpace(strings.Split(kind, ";")[0]))
		c.types[plain] = nil
		if one["schema"] == nil || !isJSON(plain) && plain != formType && !strings.Contains(plain, "*") {
			continue
		}
		if c.types[plain], err = d.schema(reading, below(at, "schema")); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// of returns what is said of a media type: the nearest range that holds it.
func (c *content) of(kind string) (s *jsonschema.Schema, known bool) {
	group, _, _ := strings.Cut(kind, "/")
	for _, t := range []string{kind, group + "/*", "*/*"} {
		if s, known = c.types[t]; known {
			return s, true
		}
	}
	return nil, false
}

const formType = "application/x-www-form-urlencoded"

func isJSON(kind string) bool {
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// check notes what is wrong with a request's body, and returns the request with what was read of
// it put back. The error is of a body that cannot be judged.
func (b *body) check(w http.ResponseWriter, r *http.Request, most int64, found *findings) (*http.Request, error) {
	if b == nil || r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		if b != nil && b.required {
			found.add("body", "is missing")
		}
		return r, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	schema, known := b.of(kind)
	switch {
	case err != nil || !known || len(r.Header["Content-Type"]) > 1: // of two, programs disagree on which one counts
		return nil, unsupported("the contract takes a body of %s here", strings.Join(slices.Sorted(maps.Keys(b.types)), ", "))
	case schema == nil || !isJSON(kind) && kind != formType:
		return r, nil
	case strings.Join(r.Header["Content-Encoding"], "") != "":
		return nil, unsupported("a packed body cannot be held against the contract; send it as it is")
	case r.ContentLength > most:
		return nil, tooLarge(most)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, larger := errors.AsType[*http.MaxBytesError](err); larger {
		return nil, tooLarge(most)
	}
	if err != nil {
		return nil, problem.Wrap(err, problem.Canceled, "the client went away in the middle of its request")
	}
	v, reason := decode(kind, data, schema)
	if reason != "" {
		found.add("body", "%s", reason)
	} else {
		found.validate(schema, v, "body")
	}
	r = r.WithContext(r.Context()) // a copy
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return r, nil
}

// decode reads a body; reason says why it cannot be.
func decode(kind string, data []byte, schema *jsonschema.Schema) (v any, reason string) {
	if kind != formType {
		return decodeJSON(data)
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, "is no form: " + err.Error()
	}
	known, object := properties(schema), map[string]any{}
	for name, values := range form {
		s := known[name]
		if s != nil && kindsOf(s)["array"] {
			object[name] = (&parameter{in: inQuery, explode: true, schema: s}).list(values)
			continue
		}
		if len(values) > 1 {
			return nil, "has a member twice that may be there once: " + name
		}
		object[name] = scalar(s, values[0])
	}
	return object, ""
}

func unsupported(format string, args ...any) error {
	e := problem.New(problem.InvalidArgument, format, args...)
	e.Status = http.StatusUnsupportedMediaType
	return e
}

func tooLarge(most int64) error {
	return problem.New(problem.TooLarge, "the body is larger than %d bytes, the most that is held against the contract", most)
}
