package openapi

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/musterdev/muster/problem"
)

// Where a parameter is.
const (
	inPath   = "path"
	inQuery  = "query"
	inHeader = "header"
	inCookie = "cookie"
)

// parameter is one of an operation (OpenAPI 3.1.1, 4.8.12).
type parameter struct {
	name, in string
	required bool
	empty    bool // allowEmptyValue
	style    string
	explode  bool
	inJSON   bool // its text is JSON
	schema   *jsonschema.Schema
	kinds    map[string]bool // that the schema names
}

// newParameter compiles one; nil for those that a document may name and nobody heeds.
func newParameter(d *document, pointer string) (*parameter, error) {
	node, pointer, err := d.at(pointer)
	if err != nil {
		return nil, err
	}
	p := &parameter{}
	p.name, _ = node["name"].(string)
	p.in, _ = node["in"].(string)
	p.required, _ = node["required"].(bool)
	p.empty, _ = node["allowEmptyValue"].(bool)
	p.style, _ = node["style"].(string)
	usual := "simple"
	switch p.in {
	case inQuery, inCookie:
		usual = "form"
	case inPath:
		p.required = true
	case inHeader:
		switch strings.ToLower(p.name) {
		case "accept", "content-type", "authorization": // described elsewhere in the document
			return nil, nil
		}
	default:
		return nil, fmt.Errorf("%s: a parameter is in path, query, header or cookie, not in %.40q", pointer, p.in)
	}
	p.style = cmp.Or(p.style, usual)
	p.explode = p.style == "form"
	if v, ok := node["explode"].(bool); ok {
		p.explode = v
	}
	if !p.styled() {
		return nil, fmt.Errorf("%s: the style %.40q of a parameter in %s cannot be read", pointer, p.style, p.in)
	}
	return p, p.compile(d, node, pointer)
}

func (p *parameter) styled() bool {
	switch p.style {
	case "simple":
		return p.in == inPath || p.in == inHeader
	case "form":
		return p.in == inQuery || p.in == inCookie
	case "spaceDelimited", "pipeDelimited", "deepObject":
		return p.in == inQuery
	}
	return false
}

func (p *parameter) compile(d *document, node map[string]any, pointer string) (err error) {
	at := below(pointer, "schema")
	if types, ok := node["content"].(map[string]any); ok && len(types) == 1 {
		for kind := range types {
			p.inJSON = isJSON(kind)
			at = below(below(below(pointer, "content"), kind), "schema")
		}
		if !p.inJSON {
			return nil
		}
	} else if node["schema"] == nil {
		return fmt.Errorf("%s: %w", pointer, errNoSchema)
	}
	p.schema, err = d.schema(asked, at)
	p.kinds = kindsOf(p.schema)
	return err
}

// takes reports whether a name in a query is of this parameter.
func (p *parameter) takes(name string) bool {
	if p.style == "deepObject" {
		return strings.HasPrefix(name, p.name+"[") && strings.HasSuffix(name, "]")
	}
	if p.style == "form" && p.explode && p.kinds["object"] {
		return properties(p.schema)[name] != nil
	}
	return name == p.name
}

// source is where the parameters of one request are.
type source struct {
	path    map[string]string
	query   url.Values
	request *http.Request
}

// texts returns what the request says, in its pieces; nil: nothing.
func (p *parameter) texts(s source) []string {
	switch p.in {
	case inPath:
		if v, ok := s.path[p.name]; ok {
			return []string{v}
		}
	case inQuery:
		return s.query[p.name]
	case inHeader:
		if all := s.request.Header.Values(p.name); len(all) > 0 {
			return []string{strings.Join(all, ",")}
		}
	case inCookie:
		return cookies(s.request, p.name)
	}
	return nil
}

// cookies returns what all of a name say, also what net/http would leave out: the service may
// not.
func cookies(r *http.Request, name string) (values []string) {
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(pair, "=")
			if strings.Trim(n, " \t") != name {
				continue
			}
			v = strings.Trim(v, " \t")
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			values = append(values, v)
		}
	}
	return values
}

// check notes what is wrong with it in a request.
func (p *parameter) check(s source, found *findings) {
	field := p.in + "." + p.name
	if v, ok := p.object(s, found, field); ok {
		found.validate(p.schema, v, field)
		return
	}
	texts := p.texts(s)
	switch {
	case len(texts) == 0 && p.required:
		found.add(field, "is missing")
		return
	case len(texts) == 0 || p.schema == nil || p.empty && len(texts) == 1 && texts[0] == "":
		return
	case p.inJSON:
		v, reason := decodeJSON([]byte(texts[0]))
		if reason != "" || len(texts) > 1 {
			found.add(field, "must be JSON, once")
			return
		}
		found.validate(p.schema, v, field)
		return
	}
	if p.kinds["array"] && (!p.kinds["string"] || len(texts) > 1) && (len(texts) == 1 || p.repeats()) {
		found.validate(p.schema, p.list(texts), field)
		return
	}
	if len(texts) > 1 {
		found.add(field, "is there %d times, and may be there once", len(texts))
		return
	}
	found.validate(p.schema, scalar(p.schema, texts[0]), field)
}

// repeats reports whether an array has a piece for each of its items.
func (p *parameter) repeats() bool { return p.explode && (p.in == inQuery || p.in == inCookie) }

// list reads an array.
func (p *parameter) list(texts []string) []any {
	if !p.repeats() {
		separator := map[string]string{"spaceDelimited": " ", "pipeDelimited": "|"}[p.style]
		texts = strings.Split(texts[0], cmp.Or(separator, ","))
	}
	items := itemsOf(p.schema)
	list := make([]any, 0, len(texts))
	for _, text := range texts {
		if p.in == inHeader {
			text = strings.TrimSpace(text)
		}
		list = append(list, scalar(items, text))
	}
	return list
}

func unreadable(err error) error {
	return problem.Wrap(err, problem.InvalidArgument, "the query of the request cannot be read: %s", err)
}
