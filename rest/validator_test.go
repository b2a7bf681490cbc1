package rest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// validator holds a document against the rules of OpenAPI 3.1 that can be broken by
// a program that makes one.
type validator struct {
	t   *testing.T
	doc map[string]any
	ids map[string]bool
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }
func array(v any) []any           { l, _ := v.([]any); return l }

func (v *validator) only(where string, o map[string]any, must, may string) {
	v.t.Helper()
	if o == nil {
		v.t.Errorf("%s is no object", where)
		return
	}
	for k := range strings.FieldsSeq(must) {
		if _, ok := o[k]; !ok {
			v.t.Errorf("%s lacks %s", where, k)
		}
	}
	for k := range o {
		if !slices.Contains(strings.Fields(must+" "+may), k) {
			v.t.Errorf("%s has the unknown %s", where, k)
		}
	}
}

var (
	componentName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	pathParameter = regexp.MustCompile(`\{([^}]+)\}`)
	statusKey     = regexp.MustCompile(`^([1-5][0-9][0-9]|default)$`)
)

func (v *validator) document() {
	v.t.Helper()
	v.only("document", v.doc, "openapi info paths", "servers components tags")
	v.only("info", object(v.doc["info"]), "title version", "description")
	shapes := map[string]string{}
	for path, item := range object(v.doc["paths"]) {
		shape := pathParameter.ReplaceAllString(path, "{}")
		if other, taken := shapes[shape]; taken || !strings.HasPrefix(path, "/") {
			v.t.Errorf("the path %s is bad, or the same as %s", path, other)
		}
		shapes[shape] = path
		v.only(path, object(item), "", "get put post delete patch")
		for method, o := range object(item) {
			v.operation(method+" "+path, path, object(o))
		}
	}
	components := object(v.doc["components"])
	v.only("components", components, "", "schemas responses")
	for kind, all := range components {
		for name, c := range object(all) {
			if !componentName.MatchString(name) {
				v.t.Errorf("%s has the name %q", kind, name)
			}
			if kind == "schemas" {
				v.schema("schema "+name, c)
			} else {
				v.response("response "+name, object(c))
			}
		}
	}
}

func (v *validator) operation(where, path string, o map[string]any) {
	v.only(where, o, "operationId responses", "summary description tags deprecated parameters requestBody")
	id, _ := o["operationId"].(string)
	if id == "" || v.ids[id] {
		v.t.Errorf("%s: the operationId %q is empty or taken", where, id)
	}
	v.ids[id] = true
	want := map[string]bool{}
	for _, m := range pathParameter.FindAllStringSubmatch(path, -1) {
		want[m[1]] = true
	}
	seen := map[string]bool{}
	for _, x := range array(o["parameters"]) {
		p := object(x)
		at := fmt.Sprintf("%s parameter %v", where, p["name"])
		v.only(at, p, "name in schema", "description required deprecated style explode")
		key := fmt.Sprint(p["in"], " ", p["name"])
		if seen[key] || !slices.Contains([]any{"path", "query", "header"}, p["in"]) {
			v.t.Errorf("%s is given twice, or is in %v", at, p["in"])
		}
		seen[key] = true
		if name, _ := p["name"].(string); p["in"] == "path" {
			if !want[name] || p["required"] != true {
				v.t.Errorf("%s is not in the path, or not required", at)
			}
			delete(want, name)
		}
		v.schema(at, p["schema"])
	}
	if len(want) > 0 {
		v.t.Errorf("%s: undocumented %v", where, want)
	}
	if body, ok := o["requestBody"]; ok {
		v.only(where+" body", object(body), "content", "required description")
		v.content(where+" body", object(body)["content"])
	}
	responses := object(o["responses"])
	if len(responses) < 2 {
		v.t.Errorf("%s has %d responses", where, len(responses))
	}
	for status, r := range responses {
		if !statusKey.MatchString(status) {
			v.t.Errorf("%s has the status %q", where, status)
		}
		v.response(where+" "+status, object(r))
	}
}

func (v *validator) response(where string, r map[string]any) {
	if ref, ok := r["$ref"]; ok {
		v.reference(where, ref)
		return
	}
	v.only(where, r, "description", "headers content")
	for name, h := range object(r["headers"]) {
		v.only(where+" header "+name, object(h), "schema", "description")
		v.schema(where+" header "+name, object(h)["schema"])
	}
	if content, ok := r["content"]; ok {
		v.content(where, content)
	}
}

func (v *validator) content(where string, c any) {
	if len(object(c)) == 0 {
		v.t.Errorf("%s has an empty content", where)
	}
	for media, m := range object(c) {
		v.only(where+" "+media, object(m), "schema", "")
		v.schema(where+" "+media, object(m)["schema"])
	}
}

func (v *validator) reference(where string, ref any) {
	var at any = v.doc
	text, _ := ref.(string)
	for p := range strings.SplitSeq(strings.TrimPrefix(text, "#/"), "/") {
		at = object(at)[p]
	}
	if at == nil || !strings.HasPrefix(text, "#/") {
		v.t.Errorf("%s refers to %v, which is not there", where, ref)
	}
}

func (v *validator) schema(where string, x any) {
	s := object(x)
	v.only(where, s, "", "$ref anyOf type format contentEncoding description enum default examples minimum maximum "+
		"minLength maxLength minItems maxItems items properties required additionalProperties")
	if ref, ok := s["$ref"]; ok {
		v.reference(where, ref)
	}
	types, several := s["type"].([]any)
	if t, ok := s["type"]; ok && !several {
		types = []any{t}
	}
	for _, t := range types {
		if !slices.Contains([]any{"string", "integer", "number", "boolean", "array", "object", "null"}, t) {
			v.t.Errorf("%s has the type %v", where, t)
		}
	}
	if slices.Contains(types, any("array")) != (s["items"] != nil) {
		v.t.Errorf("%s: an array and its items go together", where)
	}
	if items, ok := s["items"]; ok {
		v.schema(where+"[]", items)
	}
	for _, a := range array(s["anyOf"]) {
		v.schema(where+" anyOf", a)
	}
	for name, p := range object(s["properties"]) {
		v.schema(where+"."+name, p)
	}
	for _, r := range array(s["required"]) {
		if name, _ := r.(string); object(s["properties"])[name] == nil {
			v.t.Errorf("%s requires %v, which it does not have", where, r)
		}
	}
	if more, ok := s["additionalProperties"]; ok && more != false {
		v.schema(where+"{}", more)
	}
	for low, high := range map[string]string{"minimum": "maximum", "minLength": "maxLength", "minItems": "maxItems"} {
		a, okA := s[low].(float64)
		b, okB := s[high].(float64)
		if okA && okB && a > b {
			v.t.Errorf("%s: %s is over %s", where, low, high)
		}
	}
}
