package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/problem"
)

// answering is an API with one GET that answers out.
func answering[Out any](t *testing.T, out Out, opts ...Option) *API {
	t.Helper()
	a := New(Info{Title: "Test"})
	Get(a, "/x", func(context.Context, none) (Out, error) { return out, nil }, opts...)
	if err := a.Err(); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestMethods(t *testing.T) {
	a := New(Info{Title: "Test"})
	say := func(s string) Handler[none, string] {
		return func(context.Context, none) (string, error) { return s, nil }
	}
	Get(a, "/x", say("get"))
	Put(a, "/x", say("put"))
	Post(a, "/y", say("post"))
	Patch(a, "/y", say("patch"))
	Delete(a, "/y", say("delete"))
	if err := a.Err(); err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]struct {
		status int
		body   string
		allow  string
	}{
		"GET /x": {200, `"get"`, ""}, "PUT /x": {200, `"put"`, ""}, "POST /y": {200, `"post"`, ""}, "PATCH /y": {200, `"patch"`, ""},
		"DELETE /y": {200, `"delete"`, ""}, "OPTIONS /x": {204, "", "GET, HEAD, OPTIONS, PUT"}, "OPTIONS /y": {204, "", "DELETE, OPTIONS, PATCH, POST"},
		"DELETE /x": {405, `"code":"unimplemented"`, "GET, HEAD, OPTIONS, PUT"}, "HEAD /y": {405, "", "DELETE, OPTIONS, PATCH, POST"},
		"PROPFIND /x": {405, `PROPFIND is not offered here`, "GET, HEAD, OPTIONS, PUT"},
		"GET /z":      {404, `"code":"not_found"`, ""}, "GET /": {404, `"there is nothing at /"`, ""}, "POST /docs": {405, `"code"`, "GET, HEAD"},
	} {
		method, path, _ := strings.Cut(request, " ")
		w := do(a, method, path, "")
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) || w.Header().Get("Allow") != want.allow {
			t.Errorf("%s: %d %q %s", request, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}

func TestHeadHasNoBodyAndTheLengthOfGet(t *testing.T) {
	srv := httptest.NewServer(answering(t, "hello"))
	defer srv.Close()
	res, err := http.Head(srv.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != 200 || res.ContentLength != int64(len("\"hello\"\n")) {
		t.Errorf("%d, %d bytes", res.StatusCode, res.ContentLength)
	}
}

func TestOutputs(t *testing.T) {
	type made struct {
		Location string    `header:"Location" json:"-"`
		At       time.Time `header:"Last-Modified" json:"-"`
		Age      *int      `header:"Age" json:"-"`
		ID       string    `json:"id"`
	}
	type lists struct {
		Made []int `json:"made" nullable:"false"`
		Left []int `json:"left"`
	}
	type onlyHeader struct {
		Location string `header:"Location" json:"-"`
	}
	age := 7
	for name, tt := range map[string]struct {
		api    *API
		status int
		body   string
		header map[string]string
	}{
		"struct": {
			answering(t, made{"/x/7", time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC), &age, "7"}, Status(201)), 201, `{"id":"7"}`,
			map[string]string{"Location": "/x/7", "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "Age": "7", "Content-Type": "application/json", "Content-Length": "11"},
		},
		"zero headers are left out": {answering(t, made{ID: "7"}), 200, `{"id":"7"}`, map[string]string{"Location": "", "Last-Modified": "", "Age": ""}},
		"empty":                     {answering(t, none{}), 204, "", map[string]string{"Content-Type": "", "Content-Length": ""}},
		"only a header":             {answering(t, onlyHeader{"/y"}, Status(303)), 303, "", map[string]string{"Location": "/y"}},
		"pointer":                   {answering(t, &made{ID: "7"}), 200, `{"id":"7"}`, nil},
		"nil slices":                {answering(t, lists{}), 200, `{"made":[],"left":null}`, nil},
		"list":                      {answering(t, []int{1, 2}), 200, `[1,2]`, nil},
		"map":                       {answering(t, map[string]int{"a": 1}), 200, `{"a":1}`, nil},
		"no escapes":                {answering(t, "<&>"), 200, `"<&>"`, nil},
		"time":                      {answering(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), 200, `"2026-01-02T03:04:05Z"`, nil},
	} {
		w := do(tt.api, http.MethodGet, "/x", "")
		if w.Code != tt.status || strings.TrimSuffix(w.Body.String(), "\n") != tt.body {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, tt.status, tt.body)
		}
		for k, v := range tt.header {
			if got := w.Header().Get(k); got != v {
				t.Errorf("%s: %s %q, want %q", name, k, got, v)
			}
		}
	}
}

type tagged struct {
	Location string `header:"Location" json:"-"`
	Tag      string `json:"tag"`
}

func (t tagged) ETag() string { return t.Tag }

func TestETags(t *testing.T) {
	for _, tt := range []struct {
		tag, ifNoneMatch, header string
		status                   int
	}{
		{"v1", "", `"v1"`, 200},
		{"v1", `"v1"`, `"v1"`, 304},
		{"v1", `W/"v1"`, `"v1"`, 304},
		{"v1", `"v2"`, `"v1"`, 200},
		{"v1", `"v2", "v1"`, `"v1"`, 304},
		{"v1", `"v2" ,W/"v1"`, `"v1"`, 304},
		{"v1", "*", `"v1"`, 304},
		{"v1", "v1", `"v1"`, 200},
		{"v1", `"v1`, `"v1"`, 200},
		{"v1", `"a,"v1"`, `"v1"`, 200},
		{`"q"`, `"q"`, `"q"`, 304},
		{`W/"w"`, `"w"`, `W/"w"`, 304},
		{"", "*", "", 200},
		{"a b", "", "", 200},
		{"a\"\r\nX: y", "", "", 200},
		{"é", "", "", 200},
	} {
		w := do(answering(t, tagged{Location: "/l", Tag: tt.tag}), http.MethodGet, "/x", "", "If-None-Match", tt.ifNoneMatch)
		got := w.Header().Get("ETag")
		if w.Code != tt.status || tt.header != "" && got != tt.header {
			t.Errorf("%q with %q: %d %q", tt.tag, tt.ifNoneMatch, w.Code, got)
		}
		if tt.tag != "" && (len(got) < 3 || !opaqueTag(strings.Trim(strings.TrimPrefix(got, "W/"), `"`))) {
			t.Errorf("%q became the header %q", tt.tag, got)
		}
		if w.Code == 304 && (w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" || w.Header().Get("Location") != "/l") {
			t.Errorf("a 304 with %q and %v", w.Body, w.Header())
		}
	}
	a := New(Info{Title: "Test"})
	Put(a, "/x", func(context.Context, none) (tagged, error) { return tagged{Tag: "v1"}, nil })
	if w := do(a, http.MethodPut, "/x", "", "If-None-Match", "*"); w.Code != 200 || w.Header().Get("ETag") != `"v1"` {
		t.Errorf("a PUT: %d %v", w.Code, w.Header())
	}
}

type unwritable struct {
	Location string  `header:"Location" json:"-"`
	F        float64 `json:"f"`
}

func TestFaultsOfThisSideAreHiddenAndLogged(t *testing.T) {
	for name, h := range map[string]func() (any, error){
		"error":      func() (any, error) { return nil, errors.New("secret") },
		"wrapped":    func() (any, error) { return nil, problem.Wrap(errors.New("secret"), problem.Unavailable, "later") },
		"panic":      func() (any, error) { panic("secret") },
		"unwritable": func() (any, error) { return map[string]any{"secret": make(chan int)}, nil },
	} {
		var out bytes.Buffer
		a := New(Info{Title: "Test", Log: slog.New(slog.NewTextHandler(&out, nil))})
		Get(a, "/x", func(context.Context, none) (any, error) { return h() })
		w := do(a, http.MethodGet, "/x", "")
		if w.Code < 500 || strings.Contains(w.Body.String(), "secret") || w.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if text := out.String(); !strings.Contains(text, "secret") && name != "unwritable" || !strings.Contains(text, "path=/x") {
			t.Errorf("%s: the log says %q", name, text)
		}
	}
	a := New(Info{Title: "Test"})
	Get(a, "/nil", func(context.Context, none) (*tagged, error) { return nil, nil })
	Get(a, "/nan", func(context.Context, none) (unwritable, error) { return unwritable{"/l", nan()}, nil })
	for _, path := range []string{"/nil", "/nan"} {
		if w := do(a, http.MethodGet, path, ""); w.Code != 500 || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func TestCallersFaultsAreNotLogged(t *testing.T) {
	var out bytes.Buffer
	a := New(Info{Title: "Test", Log: slog.New(slog.NewTextHandler(&out, nil))})
	Get(a, "/x", func(context.Context, none) (none, error) { return none{}, problem.New(problem.NotFound, "no") })
	if w := do(a, http.MethodGet, "/x", ""); w.Code != 404 || out.Len() > 0 {
		t.Errorf("%d %q", w.Code, &out)
	}
}

func TestAbortIsPassedOn(t *testing.T) {
	a := New(Info{Title: "Test"})
	Get(a, "/x", func(context.Context, none) (none, error) { panic(http.ErrAbortHandler) })
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // the very same
			t.Errorf("recovered %v", p)
		}
	}()
	do(a, http.MethodGet, "/x", "")
}

func TestThroughIsOutermostFirst(t *testing.T) {
	var order []string
	mark := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	do(answering(t, "x", Through(mark("a")), Through(mark("b"))), http.MethodGet, "/x", "")
	if fmt.Sprint(order) != "[a b]" {
		t.Errorf("%v", order)
	}
}

func TestRootMayBeTheAuthorsOwn(t *testing.T) {
	for _, pattern := range []string{"/", "/{path...}"} {
		a := New(Info{Title: "Test"})
		if pattern == "/" {
			Get(a, pattern, func(context.Context, none) (string, error) { return "mine", nil })
		} else {
			Get(a, pattern, func(context.Context, struct {
				Path string `path:"path"`
			},
			) (string, error) {
				return "mine", nil
			})
		}
		if w := do(a, http.MethodGet, "/anything", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "mine") {
			t.Errorf("%s: %d %s", pattern, w.Code, w.Body)
		}
		if w := do(a, http.MethodGet, "/openapi.json", ""); !strings.Contains(w.Body.String(), "openapi") {
			t.Errorf("%s: %d %s", pattern, w.Code, w.Body)
		}
	}
}

func TestConcurrentRequests(t *testing.T) {
	a := New(Info{Title: "Test"})
	type in struct {
		ID   string `path:"id"`
		Name string `json:"name"`
	}
	Post(a, "/x/{id}", func(_ context.Context, i in) (map[string]string, error) {
		return map[string]string{"id": i.ID, "name": i.Name}, nil
	})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("%d-%d", g, i)
				w := do(a, http.MethodPost, "/x/"+id, `{"name":"n`+id+`"}`)
				var got map[string]string
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["id"] != id || got["name"] != "n"+id {
					t.Errorf("%s: %d %s %v", id, w.Code, w.Body, err)
				}
				do(a, http.MethodGet, "/openapi.json", "")
			}
		})
	}
	wg.Wait()
}

func BenchmarkPost(b *testing.B) {
	a := New(Info{Title: "Test"})
	type in struct {
		ID   string `path:"id"`
		Name string `json:"name" required:"true" max:"80"`
		N    int64  `json:"n" min:"0"`
	}
	Post(a, "/x/{id}", func(_ context.Context, i in) (in, error) { return i, nil })
	b.ReportAllocs()
	for b.Loop() {
		do(a, http.MethodPost, "/x/7", `{"name":"teapot","n":7}`)
	}
}
