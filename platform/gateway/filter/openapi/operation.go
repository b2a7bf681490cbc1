package openapi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// operation is what a contract says of one method at one path.
type operation struct {
	method  string
	name    string // operationId, else method and path
	params  []*parameter
	body    *body
	answers map[string]*content // by "200", "4XX", "default"
}

// newOperation compiles the operation at a pointer; item is the pointer of its path.
func newOperation(d *document, method, path, item, pointer string) (*operation, error) {
	node, pointer, err := d.at(pointer)
	if err != nil {
		return nil, err
	}
	op := &operation{method: method, name: method + " " + path}
	if id, ok := node["operationId"].(string); ok && id != "" {
		op.name = id
	}
	known := map[string]*parameter{}
	for _, list := range []string{item, pointer} { // what the operation says itself counts
		if err := readParameters(d, below(list, "parameters"), known); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		op.params = append(op.params, known[key])
	}
	for _, match := range braces.FindAllStringSubmatch(path, -1) {
		if known["path "+match[1]] == nil {
			return nil, fmt.Errorf("the path's {%s} is not among the parameters", match[1])
		}
	}
	if node["requestBody"] != nil {
		if op.body, err = newBody(d, below(pointer, "requestBody")); err != nil {
			return nil, err
		}
	}
	return op, op.readAnswers(d, node, pointer)
}

func (op *operation) readAnswers(d *document, node map[string]any, pointer string) error {
	responses, _ := node["responses"].(map[string]any)
	op.answers = map[string]*content{}
	for status := range responses {
		if strings.HasPrefix(status, "x-") {
			continue
		}
		answer, at, err := d.at(below(below(pointer, "responses"), status))
		if err != nil {
			return err
		}
		c, err := newContent(d, answered, answer, at)
		if err != nil {
			return err
		}
		op.answers[strings.ToUpper(status)] = c
	}
	return nil
}

func readParameters(d *document, pointer string, into map[string]*parameter) error {
	v, err := d.lookup(pointer)
	if err != nil {
		return nil //nolint:nilerr // there are none
	}
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%s is no list", pointer)
	}
	for i := range list {
		p, err := newParameter(d, fmt.Sprintf("%s/%d", pointer, i))
		if err != nil {
			return err
		}
		if p != nil {
			into[p.in+" "+p.name] = p
		}
	}
	return nil
}

// parameters notes what is wrong with those of a request. The error is of a query that cannot
// be read at all.
func (op *operation) parameters(r *http.Request, path map[string]string, strict bool, found *findings) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return unreadable(err)
	}
	src := source{path: path, query: query, request: r}
	for _, p := range op.params {
		p.check(src, found)
	}
	for _, name := range [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if values := r.Header[name]; len(values) > 0 && !slices.ContainsFunc(op.params, func(p *parameter) bool { return p.in == inHeader && strings.EqualFold(p.name, name) }) {
			found.add(inHeader+"."+name, "asks for another method behind the one that is held against the contract")
		}
	}
	if !strict {
		return nil
	}
	for name := range query {
		if !slices.ContainsFunc(op.params, func(p *parameter) bool { return p.in == inQuery && p.takes(name) }) {
			found.add(inQuery+"."+name, "is no parameter of %s", op.name)
		}
	}
	return nil
}

var errNoSchema = errors.New("it has neither a schema nor a content")
