package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest/openapi"
)

// Tagger is what an Out implements to have an ETag: a version of what it shows,
// changed whenever that changes; quotes are added. An empty one is left out.
type Tagger interface{ ETag() string }

// output is how to answer an Out.
type output struct {
	status  int
	empty   bool // there is nothing to write
	pointer bool
	headers []outHeader
	lists   [][]int // slices that are written as [] when nil
}

type outHeader struct {
	name  string
	index []int
}

func (o *operation) compileOut(t reflect.Type) error {
	out := &o.out
	if t.Kind() == reflect.Pointer {
		out.pointer, t = true, t.Elem()
	}
	response := &openapi.Response{Description: "Done."}
	if t.Kind() == reflect.Struct {
		if err := out.compileFields(t, response); err != nil {
			return err
		}
	}
	schema, err := o.api.schemas.Of(t, openapi.Output)
	if err != nil {
		return err
	}
	if out.status = o.status; out.status == 0 {
		out.status = http.StatusOK
		if out.empty {
			out.status = http.StatusNoContent
		}
	}
	switch {
	case out.status < 200 || out.status > 399:
		return fmt.Errorf("the status of a success is 200 to 399, not %d", out.status)
	case out.status == http.StatusNoContent && !out.empty || out.status == http.StatusNotModified:
		return fmt.Errorf("an answer of %d has no body", out.status)
	case !out.empty:
		response.Description = "The answer."
		response.Content.Set("application/json", openapi.MediaType{Schema: schema})
	}
	if t.Implements(reflect.TypeFor[Tagger]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[Tagger]()) {
		tag := openapi.Header{Description: "The version of what is answered.", Schema: &openapi.Schema{Type: openapi.Types{"string"}}}
		response.Headers.Set("ETag", tag)
		if o.method == http.MethodGet {
			defer o.doc.Responses.Set("304", &openapi.Response{Description: "What If-None-Match names is still current.", Headers: openapi.Map[openapi.Header]{{Key: "ETag", Value: tag}}})
			o.documentIfNoneMatch()
		}
	}
	o.doc.Responses.Set(strconv.Itoa(out.status), response)
	return nil
}

func (o *operation) documentIfNoneMatch() {
	for _, p := range o.doc.Parameters {
		if strings.EqualFold(p.Name, "If-None-Match") {
			return
		}
	}
	o.doc.Parameters = append(o.doc.Parameters, openapi.Parameter{
		Name: "If-None-Match", In: "header", Description: "ETags of answers at hand; a 304 says that one is still current.",
		Schema: &openapi.Schema{Type: openapi.Types{"string"}},
	})
}

// compileFields finds an Out's header fields and lists.
func (out *output) compileFields(t reflect.Type, response *openapi.Response) error {
	out.empty = true
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || f.Anonymous {
			out.empty = out.empty && (!f.Anonymous || f.Type.Kind() == reflect.Struct)
			continue
		}
		name, ok := f.Tag.Lookup("header")
		hidden := f.Tag.Get("json") == "-"
		out.empty = out.empty && hidden
		if !ok {
			if f.Type.Kind() == reflect.Slice && f.Tag.Get("nullable") == "false" {
				out.lists = append(out.lists, f.Index)
			}
			continue
		}
		if !hidden {
			return fmt.Errorf(`field %s: it is a header field; add json:"-", so that it is not in the body too`, f.Name)
		}
		schema, err := headerSchema(f.Type)
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		response.Headers.Set(name, openapi.Header{Description: f.Tag.Get("doc"), Schema: schema})
		out.headers = append(out.headers, outHeader{name, f.Index})
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) || t == reflect.TypeFor[time.Time]() {
		out.empty = false
	}
	return nil
}

// answer writes the Out that dst points to. Its error comes before anything is written.
func (out *output) answer(a *API, w http.ResponseWriter, r *http.Request, dst any) error {
	v := reflect.ValueOf(dst).Elem()
	if out.pointer {
		if v.IsNil() {
			return problem.Wrap(errors.New("rest: the handler returned nil and no error"), problem.Internal, "the service failed")
		}
		v = v.Elem()
	}
	tag := etag(v)
	if tag != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && matches(r.Header.Values("If-None-Match"), tag) {
		out.writeHeader(w, v, tag, http.StatusNotModified)
		return nil
	}
	if out.empty {
		out.writeHeader(w, v, tag, out.status)
		return nil
	}
	if !out.pointer { // the Out is this function's own copy, its lists may be set
		for _, index := range out.lists {
			if f, err := v.FieldByIndexErr(index); err == nil && f.IsNil() {
				f.Set(reflect.MakeSlice(f.Type(), 0, 0))
			}
		}
	}
	b, _ := a.buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= 64<<10 { // a rare large answer need not stay in memory
			b.Reset()
			a.buffers.Put(b)
		}
	}()
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v.Addr().Interface()); err != nil {
		return problem.Wrap(fmt.Errorf("rest: the answer has no JSON: %w", err), problem.Internal, "the service failed")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	out.writeHeader(w, v, tag, out.status)
	_, _ = w.Write(b.Bytes()) // the caller is gone: nobody is left to tell
	return nil
}

func (out *output) writeHeader(w http.ResponseWriter, v reflect.Value, tag string, status int) {
	for _, f := range out.headers {
		if fv, err := v.FieldByIndexErr(f.index); err == nil && !fv.IsZero() {
			w.Header().Set(f.name, headerText(fv))
		}
	}
	if tag != "" {
		w.Header().Set("ETag", tag)
	}
	w.WriteHeader(status)
}

func headerText(v reflect.Value) string {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(http.TimeFormat)
	case interface{ MarshalText() ([]byte, error) }:
		if text, err := x.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v.Interface())
}

// etag returns a value's ETag as it is in the header (RFC 9110, section 8.8.3).
func etag(v reflect.Value) string {
	t, ok := reflect.TypeAssert[Tagger](v.Addr())
	if !ok {
		return ""
	}
	tag := t.ETag()
	if tag == "" {
		return ""
	}
	inner := strings.TrimPrefix(tag, "W/")
	if len(inner) >= 2 && inner[0] == '"' && inner[len(inner)-1] == '"' && opaqueTag(inner[1:len(inner)-1]) {
		return tag
	}
	if !opaqueTag(tag) { // a letter that the header cannot carry
		sum := sha256.Sum256([]byte(tag))
		tag = hex.EncodeToString(sum[:16])
	}
	return `"` + tag + `"`
}

func opaqueTag(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c >= 0x7f {
			return false
		}
	}
	return true
}

// matches is If-None-Match's weak comparison (RFC 9110, section 13.1.2).
func matches(header []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, line := range header {
		for line != "" {
			line = strings.TrimLeft(line, " \t,")
			if strings.HasPrefix(line, "*") {
				return true
			}
			line = strings.TrimPrefix(line, "W/")
			if !strings.HasPrefix(line, `"`) {
				break // not a list of tags: it matches nothing
			}
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				break
			}
			if line[:end+2] == tag {
				return true
			}
			line = line[end+2:]
		}
	}
	return false
}
