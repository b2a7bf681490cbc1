package openapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/openapi"
	"github.com/musterdev/muster/problem"
)

func wrap(t testing.TB, env filter.Env, with string, next http.HandlerFunc) http.Handler {
	t.Helper()
	f, err := openapi.Make(t.Context(), env, json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.(filter.Closer).Close() }) //nolint:forcetypeassert // it is one
	if err := f.Request(t.Context(), &filter.Request{}); err != nil {
		t.Fatal(err)
	}
	m, ok := f.(filter.Middleware)
	if !ok {
		t.Fatal("it is no middleware")
	}
	return m.Wrap(next)
}

// ask returns the status of an answer and what its details say: "field reason; …".
func ask(t *testing.T, h http.Handler, r *http.Request) (status int, wrong, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var doc struct{ Details []problem.Detail }
	if w.Code >= 400 {
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
	}
	var all []string
	for _, d := range doc.Details {
		all = append(all, d.Field+" "+d.Reason)
	}
	return w.Code, strings.Join(all, "; "), w.Body.String()
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(w, "%s %s %d", r.Method, body, r.ContentLength)
}

const shop = `{"file":"testdata/shop.yaml"}`

func TestRequests(t *testing.T) {
	h, strict := wrap(t, filter.Env{}, shop, echo), wrap(t, filter.Env{}, `{"file":"testdata/shop.yaml","strict_query":true}`, echo)
	for name, c := range map[string]struct {
		ask    string // method, path with query
		header map[string]string
		kind   string // of the body
		body   string
		strict bool
		status int    // 0: 200
		wrong  string // is in what the details say
	}{
		"plain":                     {ask: "GET /v1/products"},
		"HEAD is GET without body":  {ask: "HEAD /v1/products"},
		"no such path":              {ask: "GET /v1/product", status: 404},
		"outside of the base":       {ask: "GET /products", status: 404},
		"no such method":            {ask: "DELETE /v1/products", status: 405},
		"of the path":               {ask: "GET /v1/products?limit=100"},
		"too large":                 {ask: "GET /v1/products?limit=101", status: 400, wrong: "query.limit maximum"},
		"no number":                 {ask: "GET /v1/products?limit=ten", status: 400, wrong: "query.limit got string, want integer"},
		"no integer":                {ask: "GET /v1/products?limit=1.5", status: 400, wrong: "query.limit"},
		"hexadecimal":               {ask: "GET /v1/products?limit=0x10", status: 400, wrong: "query.limit"},
		"twice":                     {ask: "GET /v1/products?limit=1&limit=2", status: 400, wrong: "there 2 times"},
		"a bad query":               {ask: "GET /v1/products?limit=%zz", status: 400},
		"a list":                    {ask: "GET /v1/products?tag=new&tag=sale"},
		"a list of one":             {ask: "GET /v1/products?tag=new"},
		"a wrong item":              {ask: "GET /v1/products?tag=new&tag=old", status: 400, wrong: "query.tag/1"},
		"a long list":               {ask: "GET /v1/products?tag=new&tag=new&tag=new", status: 400, wrong: "query.tag"},
		"with commas":               {ask: "GET /v1/products?ids=1,2,3"},
		"with commas, one wrong":    {ask: "GET /v1/products?ids=1,b,3", status: 400, wrong: "query.ids/1"},
		"a deep object":             {ask: "GET /v1/products?filter[price]=1.5&filter[name]=12"},
		"a wrong member":            {ask: "GET /v1/products?filter[price]=a", status: 400, wrong: "query.filter/price"},
		"an unknown member":         {ask: "GET /v1/products?filter[size]=1", status: 400, wrong: "query.filter"},
		"JSON in a query":           {ask: "GET /v1/products?where=%7B%22a%22:1%7D"},
		"JSON without a member":     {ask: "GET /v1/products?where=%7B%7D", status: 400, wrong: "query.where"},
		"no JSON in a query":        {ask: "GET /v1/products?where=%7B", status: 400, wrong: "must be JSON"},
		"a header":                  {ask: "GET /v1/products", header: map[string]string{"X-Trace": "true"}},
		"a wrong header":            {ask: "GET /v1/products", header: map[string]string{"X-Trace": "yes"}, status: 400, wrong: "header.X-Trace"},
		"a cookie":                  {ask: "GET /v1/products", header: map[string]string{"Cookie": "session=abcd"}},
		"a short cookie":            {ask: "GET /v1/products", header: map[string]string{"Cookie": "session=abc"}, status: 400, wrong: "cookie.session"},
		"null":                      {ask: "GET /v1/products?page="},
		"digits that are a text":    {ask: "GET /v1/products?code=007"},
		"not digits":                {ask: "GET /v1/products?code=a7", status: 400, wrong: "query.code"},
		"empty where it may be":     {ask: "GET /v1/products?verbose"},
		"one of two, a number":      {ask: "GET /v1/products?either=12"},
		"one of two, a text":        {ask: "GET /v1/products?either=all"},
		"none of two":               {ask: "GET /v1/products?either=9", status: 400, wrong: "query.either"},
		"unknown is let pass":       {ask: "GET /v1/products?utm=1"},
		"unknown is refused":        {ask: "GET /v1/products?utm=1", strict: true, status: 400, wrong: "query.utm is no parameter of listProducts"},
		"deep is known":             {ask: "GET /v1/products?filter[price]=1", strict: true},
		"a path's value":            {ask: "GET /v1/products/12"},
		"a wrong path's value":      {ask: "GET /v1/products/a", status: 400, wrong: "path.id"},
		"nothing in a path":         {ask: "GET /v1/products/", status: 404},
		"a literal wins":            {ask: "GET /v1/products/best"},
		"a verb":                    {ask: "POST /v1/products/12:cancel"},
		"a verb and a wrong value":  {ask: "POST /v1/products/x:cancel", status: 400, wrong: "path.id"},
		"a verb by GET":             {ask: "GET /v1/products/12:cancel", status: 400, wrong: "path.id"}, // it is the {id} "12:cancel"
		"a body":                    {ask: "POST /v1/products", kind: "application/json", body: `{"name":"a","price":1,"secret":"s"}`},
		"a body with a charset":     {ask: "POST /v1/products", kind: "application/json; charset=utf-8", body: `{"name":"a","price":1,"secret":"s"}`},
		"no body":                   {ask: "POST /v1/products", status: 400, wrong: "body is missing"},
		"no JSON":                   {ask: "POST /v1/products", kind: "application/json", body: `{"name":`, status: 400, wrong: "body is not JSON"},
		"two values":                {ask: "POST /v1/products", kind: "application/json", body: `{} {}`, status: 400, wrong: "body is not JSON"},
		"a member is missing":       {ask: "POST /v1/products", kind: "application/json", body: `{"price":1,"secret":"s"}`, status: 400, wrong: "name"},
		"all that is wrong":         {ask: "POST /v1/products?limit=0", kind: "application/json", body: `{"name":"","price":0,"secret":"s"}`, status: 400, wrong: "query.limit minimum"},
		"deep inside":               {ask: "POST /v1/products", kind: "application/json", body: `{"name":"a","price":1,"secret":"s","parts":[{"name":"b","price":"1","secret":"s"}]}`, status: 400, wrong: "body/parts/0/price"},
		"a format":                  {ask: "POST /v1/products", kind: "application/json", body: `{"name":"a","price":1,"secret":"s","made":"yesterday"}`, status: 400, wrong: "body/made"},
		"unknown member":            {ask: "POST /v1/products", kind: "application/json", body: `{"name":"a","price":1,"secret":"s","x":1}`, status: 400, wrong: "body"},
		"another type":              {ask: "POST /v1/products", kind: "text/plain", body: `a`, status: 415},
		"no type":                   {ask: "POST /v1/products", body: `a`, status: 415},
		"packed":                    {ask: "POST /v1/products", kind: "application/json", header: map[string]string{"Content-Encoding": "gzip"}, body: `a`, status: 415},
		"too long":                  {ask: "POST /v1/products", kind: "application/json", body: `"` + strings.Repeat("a", 1<<20) + `"`, status: 413},
		"a form":                    {ask: "POST /v1/orders", kind: "application/x-www-form-urlencoded", body: "product=1&count=2&tags=a&tags=b"},
		"a wrong form":              {ask: "POST /v1/orders", kind: "application/x-www-form-urlencoded", body: "product=1&count=b", status: 400, wrong: "body/count"},
		"twice in a form":           {ask: "POST /v1/orders", kind: "application/x-www-form-urlencoded", body: "product=1&product=2&count=1", status: 400, wrong: "twice"},
		"a type nobody reads":       {ask: "POST /v1/orders", kind: "image/png", body: "\x89PNG"},
		"a body that is not needed": {ask: "POST /v1/orders"},
	} {
		t.Run(name, func(t *testing.T) {
			method, target, _ := strings.Cut(c.ask, " ")
			r := httptest.NewRequestWithContext(t.Context(), method, "https://api.example"+target, strings.NewReader(c.body))
			if c.kind != "" {
				r.Header.Set("Content-Type", c.kind)
			}
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			by := h
			if c.strict {
				by = strict
			}
			status, wrong, body := ask(t, by, r)
			if want := max(c.status, 200); status != want || !strings.Contains(wrong, c.wrong) || c.wrong == "" && wrong != "" {
				t.Fatalf("%d: %s; want %d: %s (%s)", status, wrong, want, c.wrong, body)
			}
			if got, want := body, fmt.Sprintf("%s %s %d", method, c.body, len(c.body)); status == 200 && got != want {
				t.Errorf("the service got %.100q, want %.100q", got, want)
			}
		})
	}
}

func TestAllowIsTold(t *testing.T) {
	w := httptest.NewRecorder()
	wrap(t, filter.Env{}, shop, echo).ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/v1/products", nil))
	if got := w.Header().Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow: %q", got)
	}
}

func TestUnknownPasses(t *testing.T) {
	h := wrap(t, filter.Env{}, `{"file":"testdata/shop.yaml","unknown":"pass","base":"/api/"}`, echo)
	for target, want := range map[string]int{"/v1/other": 200, "/api/products?limit=0": 400, "/api/products": 200} {
		if status, _, _ := ask(t, h, httptest.NewRequest(http.MethodGet, target, nil)); status != want {
			t.Errorf("%s: %d, want %d", target, status, want)
		}
	}
}

// A length that is not known beforehand is bounded too.
func TestStreamedBody(t *testing.T) {
	h := wrap(t, filter.Env{}, `{"file":"testdata/shop.yaml","max_body":100}`, echo)
	for body, want := range map[string]int{`{"name":"a","price":1,"secret":"s"}`: 200, `{"name":"` + strings.Repeat("a", 100) + `"}`: 413} {
		r := httptest.NewRequest(http.MethodPost, "/v1/products", io.MultiReader(strings.NewReader(body)))
		r.Header.Set("Content-Type", "application/json")
		if r.ContentLength = -1; r.Body == nil {
			t.Fatal("no body")
		}
		if status, wrong, _ := ask(t, h, r); status != want {
			t.Errorf("%d (%s), want %d", status, wrong, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body string
		status     int
		want       string
		said       string // is in the log
	}{
		"right":            {kind: "application/json", body: `[{"id":1,"name":"a","price":1}]`, status: 200, want: "right"},
		"wrong":            {kind: "application/json", body: `[{"id":1,"price":1}]`, status: 200, want: "wrong", said: "body/0"},
		"no JSON":          {kind: "application/json", body: `[`, status: 200, want: "wrong", said: "not JSON"},
		"another type":     {kind: "text/plain", body: `a`, status: 200, want: "wrong", said: "of type"},
		"an unknown one":   {status: 302, want: "wrong", said: "no answer 302"},
		"a range":          {kind: "application/problem+json", body: `{}`, status: 404, want: "right"},
		"too long":         {kind: "application/json", body: `"` + strings.Repeat("a", 1<<20) + `"`, status: 200, want: "unchecked"},
		"what is but read": {kind: "application/json", body: `[{"id":1,"name":"a","price":1,"secret":"s"}]`, status: 200, want: "right"},
	} {
		t.Run(name, func(t *testing.T) {
			metrics, log := prometheus.NewRegistry(), &strings.Builder{}
			h := wrap(t, filter.Env{Name: "shop", Metrics: metrics, Log: slog.New(slog.NewTextHandler(log, nil))}, `{"file":"testdata/shop.yaml","answers":"report"}`,
				func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", c.kind)
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
				})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/products", nil))
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("the answer was changed: %d %.100s", w.Code, w.Body)
			}
			want := fmt.Sprintf("# HELP muster_edge_openapi_answers_total Answers held against the contract, by what came of it.\n"+
				"# TYPE muster_edge_openapi_answers_total counter\nmuster_edge_openapi_answers_total{result=%q} 1\n", c.want)
			if err := testutil.GatherAndCompare(metrics, strings.NewReader(want)); err != nil {
				t.Error(err)
			}
			if c.said == "" && log.Len() > 0 || !strings.Contains(log.String(), c.said) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

// A document of 3.0 says some things in other words.
func TestOlderWords(t *testing.T) {
	doc := `{"openapi":"3.0.3","info":{"title":"a","version":"1"},"paths":{"/a":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{
		"n":{"type":"integer","nullable":true},"e":{"type":"string","nullable":true,"enum":["x"]},"p":{"type":"number","minimum":0,"exclusiveMinimum":true}}}}}},
		"responses":{"200":{"description":"ok"}}}}}}`
	h := wrap(t, filter.Env{}, `{"document":`+doc+`}`, echo)
	for body, want := range map[string]int{
		`{"n":null}`: 200, `{"n":1}`: 200, `{"n":"1"}`: 400, `{"e":null}`: 200, `{"e":"x"}`: 200, `{"e":"y"}`: 400, `{"p":0}`: 400, `{"p":0.1}`: 200,
	} {
		r := httptest.NewRequest(http.MethodPost, "/a", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if status, wrong, _ := ask(t, h, r); status != want {
			t.Errorf("%s: %d (%s), want %d", body, status, wrong, want)
		}
	}
}

// A contract that changes counts from then on; a bad one never does.
func TestTheFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contract.json")
	write := func(doc string) {
		if err := os.WriteFile(path+".new", []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	knows := func(name string) string {
		return `{"openapi":"3.1.0","paths":{"` + name + `":{"get":{"responses":{"200":{"description":"ok"}}}}}}`
	}
	write(knows("/old"))
	told := make(chan struct{}, 10)
	log := slog.New(slog.NewTextHandler(signal(told), nil))
	h := wrap(t, filter.Env{Log: log}, `{"file":`+quoted(path)+`}`, echo)
	status := func(target string) int {
		code, _, _ := ask(t, h, httptest.NewRequest(http.MethodGet, target, nil))
		return code
	}
	write(`{"openapi":"3.1.0"}`)
	<-told // it was logged
	if got := status("/old"); got != 200 {
		t.Errorf("after a bad one: %d", got)
	}
	write(knows("/new"))
	<-told // and that it is well again
	if was, is := status("/old"), status("/new"); was != 404 || is != 200 {
		t.Errorf("after a good one: %d and %d", was, is)
	}
}

// signal tells of each line written.
type signal chan struct{}

func (s signal) Write(p []byte) (int, error) {
	s <- struct{}{}
	return len(p), nil
}

func TestBadConfig(t *testing.T) {
	operation := func(said string) string {
		return `{"document":{"openapi":"3.1.0","paths":{"/a/{id}":{"get":` + said + `}}}}`
	}
	for with, want := range map[string]string{
		`{}`:                                          "file: must be there",
		`{"file":"a","document":{}}`:                  "one of the two",
		`{"file":"testdata/none.yaml"}`:               "no such file",
		`{"document":{"swagger":"2.0"}}`:              "no OpenAPI document of version 3",
		`{"document":{"openapi":"3.1.0"}}`:            "no operation",
		`{"document":[]}`:                             "not an object",
		`{"file":"testdata/shop.yaml","unknown":"x"}`: "unknown: must be",
		`{"file":"testdata/shop.yaml","answers":"x","max_body":"1GiB"}`: "max_body: must be",
		`{"file":"testdata/shop.yaml","base":"v1"}`:                     "base: must be",
		operation(`{}`): "{id} is not among the parameters",
		operation(`{"parameters":[{"name":"id","in":"path"}]}`):                                         "neither a schema nor a content",
		operation(`{"parameters":[{"name":"id","in":"body","schema":{}}]}`):                             "not in \"body\"",
		operation(`{"parameters":[{"$ref":"other.yaml#/id"}]}`):                                         "outside of the document",
		operation(`{"parameters":[{"$ref":"#/components/x"}]}`):                                         "there is no /components",
		operation(`{"parameters":[{"name":"id","in":"path","schema":{"$ref":"https://a.example/b"}}]}`): "outside of the document",
		operation(`{"parameters":[{"name":"id","in":"path","schema":{"type":"text"}}]}`):                "type",
		operation(`{"parameters":[{"name":"id","in":"path","schema":{"pattern":"("}}]}`):                "pattern",
		operation(`{"parameters":[{"name":"id","in":"path","style":"matrix","schema":{}}]}`):            "matrix",
		`{"document":{"openapi":"3.1.0","paths":{"/a/{b":{"get":{}}}}}`:                                 "braces",
	} {
		_, err := openapi.Make(t.Context(), filter.Env{}, json.RawMessage(with))
		var e *problem.Error
		if !errors.As(err, &e) || len(e.Details) == 0 || !strings.Contains(e.Error(), want) {
			t.Errorf("%s:\n%v\nwant %s", with, err, want)
		}
	}
}
