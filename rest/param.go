package rest

import (
	"encoding"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/rest/openapi"
)

// param is one value in the path, the query or a header.
type param struct {
	name     string
	in       place
	index    []int
	many     bool // a list: the name may be repeated
	required bool
	preset   []string // what an absent one is taken for; nil for nothing
	schema   *openapi.Schema
	item     *openapi.Schema // of a list: schema of its items; else schema itself
	set      setter
}

// setter puts a checked text into a field.
type setter func(v reflect.Value, text string) error

func newParam(f reflect.StructField, where place, name string, index []int) (param, error) {
	p := param{name: name, in: where, index: index, required: where == inPath || f.Tag.Get("required") == "true"}
	if v := f.Tag.Get("required"); v != "" && v != "true" && v != "false" {
		return p, fmt.Errorf("the tag required must be true or false, not %q", v)
	}
	t := f.Type
	if where == inQuery && t.Kind() == reflect.Slice && !isText(t) {
		p.many, t = true, t.Elem()
	}
	schema, err := openapi.Scalar(t)
	if where == inHeader {
		schema, err = headerSchema(t)
	}
	if err != nil {
		return p, err
	}
	if p.many {
		schema = &openapi.Schema{Type: openapi.Types{"array"}, Items: schema}
	}
	if p.schema, err = openapi.Constrain(schema, f.Tag); err != nil {
		return p, err
	}
	if p.item = p.schema; p.many {
		p.item = p.schema.Items
	}
	if v, ok := f.Tag.Lookup("default"); ok {
		if p.required {
			return p, errors.New("it is required and has a default; choose one")
		}
		p.preset = []string{v}
	}
	if p.set = setterOf(t); where == inHeader && isTime(t) {
		p.set = setterOfDate(t)
	}
	return p, nil
}

func isTime(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[*time.Time]()
}

// headerSchema is openapi.Scalar, but a time is written as header fields have it
// (RFC 9110, section 5.6.7).
func headerSchema(t reflect.Type) (*openapi.Schema, error) {
	if isTime(t) {
		return &openapi.Schema{Type: openapi.Types{"string"}, Format: "http-date"}, nil
	}
	return openapi.Scalar(t)
}

func setterOfDate(t reflect.Type) setter {
	return func(v reflect.Value, text string) error {
		at, err := http.ParseTime(text)
		if err != nil {
			return errors.New("write it as Sun, 06 Nov 1994 08:49:37 GMT")
		}
		if t.Kind() == reflect.Pointer {
			v.Set(reflect.ValueOf(&at))
		} else {
			v.Set(reflect.ValueOf(at))
		}
		return nil
	}
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// setterOf goes with the types that openapi.Scalar takes.
func setterOf(t reflect.Type) setter {
	if t.Kind() == reflect.Pointer {
		set := setterOf(t.Elem())
		return func(v reflect.Value, text string) error {
			v.Set(reflect.New(t.Elem()))
			return set(v.Elem(), text)
		}
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return func(v reflect.Value, text string) error {
			at, err := time.Parse(time.RFC3339, text)
			v.Set(reflect.ValueOf(at))
			return err
		}
	case isText(t):
		return func(v reflect.Value, text string) error {
			u, _ := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
			return u.UnmarshalText([]byte(text))
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return func(v reflect.Value, text string) error {
			v.SetBool(text == "true")
			return nil
		}
	case reflect.Float32, reflect.Float64:
		return func(v reflect.Value, text string) error {
			n, err := strconv.ParseFloat(text, t.Bits())
			v.SetFloat(n)
			return err
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(v reflect.Value, text string) error {
			n, err := strconv.ParseInt(text, 10, t.Bits())
			v.SetInt(n)
			return err
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(v reflect.Value, text string) error {
			n, err := strconv.ParseUint(text, 10, t.Bits())
			v.SetUint(n)
			return err
		}
	default:
		return func(v reflect.Value, text string) error {
			v.SetString(text)
			return nil
		}
	}
}

// bind reads the parameter into in and returns what is wrong with it, "" when
// nothing is.
func (p *param) bind(in reflect.Value, texts []string) string {
	if len(texts) == 0 {
		if p.required {
			return "is required"
		}
		if texts = p.preset; texts == nil {
			return ""
		}
	}
	if !p.many && len(texts) > 1 {
		return fmt.Sprintf("is given %d times; give it once", len(texts))
	}
	field := in.FieldByIndex(p.index)
	if !p.many {
		return p.one(field, texts[0])
	}
	if why := p.schema.CheckCount(len(texts)); why != "" {
		return why
	}
	list := reflect.MakeSlice(field.Type(), len(texts), len(texts))
	for i, text := range texts {
		if why := p.one(list.Index(i), text); why != "" {
			return why
		}
	}
	field.Set(list)
	return ""
}

func (p *param) one(v reflect.Value, text string) string {
	if why := openapi.CheckPlain(text); why != "" {
		return why
	}
	if why := p.item.CheckText(text); why != "" {
		return why
	}
	if err := p.set(v, text); err != nil {
		return "is not valid: " + err.Error()
	}
	return ""
}

func (p *param) document() openapi.Parameter {
	doc := *p.schema
	text := doc.Description
	doc.Description = ""
	return openapi.Parameter{Name: p.name, In: string(p.in), Description: text, Required: p.required, Schema: &doc}
}

// documentPaging makes OpenAPI of one of a list's parameters.
func documentPaging(p page.Parameter) openapi.Parameter {
	schema := &openapi.Schema{Type: openapi.Types{p.Type}, Format: p.Format}
	for _, v := range p.Enum {
		schema.Enum = append(schema.Enum, v)
	}
	if p.Maximum != 0 {
		schema.Minimum, schema.Maximum = openapi.Number(p.Minimum), openapi.Number(p.Maximum)
	}
	switch {
	case p.Default != "" && p.Type == "integer":
		n, _ := strconv.Atoi(p.Default) // it was made of a number
		schema.Default = n
	case p.Default != "":
		schema.Default = p.Default
	}
	doc := openapi.Parameter{Name: p.Name, In: string(inQuery), Description: p.Doc, Schema: schema}
	if p.List {
		no := false
		doc.Style, doc.Explode = "form", &no
		doc.Schema = &openapi.Schema{Type: openapi.Types{"array"}, Items: schema}
	}
	return doc
}

// texts returns what a request says for the parameter.
func (p *param) texts(r *http.Request, query map[string][]string) []string {
	switch p.in {
	case inPath:
		return []string{r.PathValue(p.name)}
	case inHeader:
		return r.Header.Values(p.name)
	default:
		return query[p.name]
	}
}
