package rest

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/rest/openapi"
)

// input is how to read an In.
type input struct {
	params   []param
	paging   []int // index of the page.Query; nil when there is none, empty when it is the In itself
	spec     page.Spec
	body     *openapi.Schema // nil when none is taken
	bodyAt   []int           // index of the field that is the whole body; nil when the body fills In itself
	bodyMust bool            // a request without a body is refused
	maxBody  int64
	queries  []string // the names known in the query, unless paging
}

func (in *input) takesInput() bool {
	return len(in.params) > 0 || in.paging != nil || in.body != nil
}

// place is the tag that says where a field comes from.
type place string

const (
	inPath   place = "path"
	inQuery  place = "query"
	inHeader place = "header"
	inJSON   place = "json"
	inBody   place = "body"
)

// placeOf returns a field's place and name, "" when it has none.
func placeOf(f reflect.StructField) (place, string, error) {
	var found place
	var name string
	for _, p := range []place{inPath, inQuery, inHeader, inJSON, inBody} {
		v, ok := f.Tag.Lookup(string(p))
		if !ok || p == inJSON && v == "-" {
			continue
		}
		if found != "" {
			return "", "", fmt.Errorf("it has the tags %s and %s; a field comes from one place", found, p)
		}
		found, name = p, v
	}
	if name == "" && found != "" && found != inBody && found != inJSON {
		return "", "", fmt.Errorf("its tag %s is empty; write the name there", found)
	}
	return found, name, nil
}

func (o *operation) compileIn(t reflect.Type) error {
	o.in.maxBody = o.maxBody
	if t == reflect.TypeFor[page.Query]() {
		o.in.paging = []int{}
		return o.finishIn(t)
	}
	if t.Kind() != reflect.Struct {
		return errors.New("it must be a struct, or page.Query")
	}
	if err := o.fields(t, nil); err != nil {
		return err
	}
	return o.finishIn(t)
}

// fields walks the fields of In, and of the structs embedded in it.
func (o *operation) fields(t reflect.Type, above []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(slices.Clone(above), i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[page.Query]() && len(f.Tag) == 0 {
			if err := o.fields(f.Type, index); err != nil {
				return err
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if err := o.field(f, index); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return nil
}

func (o *operation) field(f reflect.StructField, index []int) error {
	where, name, err := placeOf(f)
	if err != nil {
		return err
	}
	switch {
	case f.Type == reflect.TypeFor[page.Query]():
		if o.in.paging != nil || where != "" {
			return errors.New("there is one page.Query, without a tag")
		}
		o.in.paging = index
	case where == "" && f.Tag.Get("json") == "-":
	case where == "":
		return errors.New("no tag says where it comes from: path, query, header, json or body")
	case where == inJSON: // see finishBody
	case where == inBody:
		if o.in.bodyAt != nil {
			return errors.New("there is a whole body already")
		}
		o.in.bodyAt = index
	default:
		p, err := newParam(f, where, name, index)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(o.in.params, func(q param) bool { return q.in == where && strings.EqualFold(q.name, name) }) {
			return fmt.Errorf("there are two for the %s %q", where, name)
		}
		o.in.params = append(o.in.params, p)
		o.doc.Parameters = append(o.doc.Parameters, p.document())
	}
	return nil
}

// finishIn checks what depends on all fields, and documents the list and the body.
func (o *operation) finishIn(t reflect.Type) error {
	if err := o.checkPath(); err != nil {
		return err
	}
	if err := o.finishPaging(); err != nil {
		return err
	}
	for _, p := range o.in.params {
		if p.in == inQuery {
			o.in.queries = append(o.in.queries, p.name)
		}
	}
	return o.finishBody(t)
}

// checkPath holds the path's wildcards against the fields that take them.
func (o *operation) checkPath() error {
	names, err := wildcards(o.pattern)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, p := range o.in.params {
		if p.in != inPath {
			continue
		}
		if !slices.Contains(names, p.name) {
			return fmt.Errorf("the path has no {%s}", p.name)
		}
		taken[p.name] = true
	}
	for _, name := range names {
		if !taken[name] {
			return fmt.Errorf("no field takes {%s} of the path; give one the tag path:%q", name, name)
		}
	}
	return nil
}

func (o *operation) finishPaging() error {
	switch {
	case o.in.paging == nil && o.spec == nil:
		return nil
	case o.in.paging == nil:
		return errors.New("rest.Paged is given, and no field is a page.Query")
	case o.spec == nil:
		return errors.New("it has a page.Query; say by rest.Paged what it offers")
	}
	if err := o.spec.Check(); err != nil {
		return err
	}
	o.in.spec = *o.spec
	for _, p := range o.in.spec.Parameters() {
		if slices.ContainsFunc(o.in.params, func(q param) bool { return q.in == inQuery && q.name == p.Name }) {
			return fmt.Errorf("the query parameter %q is one of the list's already", p.Name)
		}
		o.doc.Parameters = append(o.doc.Parameters, documentPaging(p))
	}
	return nil
}

func (o *operation) finishBody(t reflect.Type) error {
	inBodyOf := func(f reflect.StructField) bool {
		where, _, _ := placeOf(f)
		return where == inJSON
	}
	hasJSON := t.Kind() == reflect.Struct && t != reflect.TypeFor[page.Query]() &&
		slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.IsExported() && inBodyOf(f) })
	var err error
	switch {
	case o.in.bodyAt != nil && hasJSON:
		return errors.New("it has a whole body and fields with json tags; choose one")
	case o.in.bodyAt != nil:
		f := t.FieldByIndex(o.in.bodyAt)
		o.in.bodyMust = f.Type.Kind() != reflect.Pointer
		if o.in.body, err = o.api.schemas.Of(f.Type, openapi.Input); err == nil {
			o.in.body, err = openapi.Constrain(o.in.body, f.Tag)
		}
	case hasJSON:
		o.in.body, err = o.api.schemas.Object(t, openapi.Input, inBodyOf)
		o.in.bodyMust = slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
			return inBodyOf(f) && f.Tag.Get("required") == "true"
		})
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if o.method == http.MethodGet || o.method == http.MethodDelete {
		return fmt.Errorf("a %s has no body (RFC 9110, section 9.3); take it from the query", o.method)
	}
	o.doc.RequestBody = &openapi.RequestBody{
		Required: o.in.bodyMust,
		Content:  openapi.Map[openapi.MediaType]{{Key: "application/json", Value: openapi.MediaType{Schema: o.in.body}}},
	}
	return nil
}
