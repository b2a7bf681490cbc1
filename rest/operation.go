package rest

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest/openapi"
)

// operation is one method on one path, with how to read its In and write its Out.
type operation struct {
	api     *API
	method  string
	pattern string
	doc     *openapi.Operation
	status  int // of a success; 0 for the default
	codes   []problem.Code
	spec    *page.Spec
	maxBody int64
	through []func(http.Handler) http.Handler
	in      input
	out     output
}

func newOperation(a *API, method, pattern string) *operation {
	return &operation{
		api: a, method: method, pattern: pattern, maxBody: a.info.MaxBody,
		doc: &openapi.Operation{OperationID: operationID(method, pattern), Tags: group(pattern)},
	}
}

// operationID makes getV1ProductsById of GET /v1/products/{id}.
func operationID(method, pattern string) string {
	var id strings.Builder
	id.WriteString(strings.ToLower(method))
	for segment := range strings.SplitSeq(strings.TrimSuffix(pattern, "{$}"), "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			segment = "by_" + strings.TrimRight(name, ".}")
		}
		for _, word := range strings.FieldsFunc(segment, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			first, size := utf8.DecodeRuneInString(word)
			id.WriteString(string(unicode.ToUpper(first)) + word[size:])
		}
	}
	return id.String()
}

// group returns the first word of a path that is neither a version nor a wildcard.
func group(pattern string) []string {
	for segment := range strings.SplitSeq(pattern, "/") {
		_, err := strconv.Atoi(strings.TrimPrefix(segment, "v"))
		if segment != "" && err != nil && !strings.HasPrefix(segment, "{") {
			return []string{segment}
		}
	}
	return nil
}

func (o *operation) apply(opts []Option) error {
	for i, opt := range opts {
		if opt == nil {
			return fmt.Errorf("its option %d is nil", i+1)
		}
		opt(o)
	}
	return nil
}

func (o *operation) wrap(h http.Handler) (http.Handler, error) {
	for _, middleware := range slices.Backward(o.through) {
		if middleware == nil {
			return nil, errors.New("rest.Through is given nil")
		}
		if h = middleware(h); h == nil {
			return nil, errors.New("a middleware of rest.Through returned nil")
		}
	}
	return h, nil
}

// compile examines the types once, for all requests.
func compile[In, Out any](o *operation) error {
	if o.maxBody <= 0 {
		return fmt.Errorf("MaxBody %d: it must be positive", o.maxBody)
	}
	if err := o.compileIn(reflect.TypeFor[In]()); err != nil {
		return fmt.Errorf("its In, %s: %w", reflect.TypeFor[In](), err)
	}
	if err := o.compileOut(reflect.TypeFor[Out]()); err != nil {
		return fmt.Errorf("its Out, %s: %w", reflect.TypeFor[Out](), err)
	}
	return o.documentErrors()
}

// documentErrors lists the problems that the operation names, and one for all others.
func (o *operation) documentErrors() error {
	if o.in.takesInput() && !slices.Contains(o.codes, problem.InvalidArgument) {
		o.codes = append(o.codes, problem.InvalidArgument)
	}
	slices.SortFunc(o.codes, func(a, b problem.Code) int { return a.HTTPStatus() - b.HTTPStatus() })
	for _, code := range slices.Compact(o.codes) {
		if !slices.Contains(problem.Codes(), code) {
			return fmt.Errorf("Errors: there is no code %q", code)
		}
		text := http.StatusText(code.HTTPStatus())
		if text == "" {
			text = string(code)
		}
		o.doc.Responses.Set(strconv.Itoa(code.HTTPStatus()), &openapi.Response{
			Description: text + ": a problem with the code " + string(code) + ".",
			Content:     openapi.Map[openapi.MediaType]{{Key: problem.ContentType, Value: openapi.MediaType{Schema: problemRef()}}},
		})
	}
	o.doc.Responses.Set("default", &openapi.Response{Ref: "#/components/responses/Problem"})
	return nil
}

// wildcards returns the names in a pattern's path.
func wildcards(pattern string) ([]string, error) {
	var names []string
	for rest := pattern; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return names, nil
		}
		name, tail, ok := strings.Cut(after, "}")
		if !ok {
			return nil, errors.New("a { in the path is not closed")
		}
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			names = append(names, name)
		}
		rest = tail
	}
}
