package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
)

type none = struct{}

// to returns a handler that is never called.
func to[In, Out any]() Handler[In, Out] {
	return func(context.Context, In) (out Out, err error) { return out, err }
}

func list() page.Spec {
	return page.Spec{
		Fields: []page.Field{
			{Name: "id", Kind: page.Int, Filter: page.Equality},
			{Name: "name", Filter: page.Text, Sort: true, Enum: []string{"a", "b"}},
			{Name: "at", Kind: page.Time, Filter: page.Range, Sort: true, Doc: "When it was made."},
		},
		Key: "id", DefaultSort: "name",
	}
}

func TestWhatIsWrongIsToldAtRegistration(t *testing.T) {
	type item struct {
		ID string `json:"id"`
	}
	for says, add := range map[string]func(*API){
		"must begin with /":            func(a *API) { Get(a, "v1", to[none, none]()) },
		"GET /v1/{id}: its In, struct": func(a *API) { Get(a, "/v1/{id}", to[none, none]()) },
		"no field takes {id}":          func(a *API) { Get(a, "/v1/{id}", to[none, none]()) },
		"not closed":                   func(a *API) { Get(a, "/v1/{id", to[none, none]()) },
		"the path has no {id}": func(a *API) {
			Get(a, "/v1", to[struct {
				ID string `path:"id"`
			}, none]())
		},
		"registered twice": func(a *API) { Get(a, "/v1", to[none, none]()); Get(a, "/v1", to[none, none]()) },
		"conflicts with pattern": func(a *API) {
			Get(a, "/v1/{id}", to[struct {
				ID string `path:"id"`
			}, none]())
			Put(a, "/v1/{key}", to[struct {
				Key string `path:"key"`
			}, none](), ID("other"))
		},
		`the operation id "x" is taken`: func(a *API) { Get(a, "/a", to[none, none](), ID("x")); Get(a, "/b", to[none, none](), ID("x")) },
		`"/docs"`:                       func(a *API) { Get(a, "/docs", to[none, none]()) },
		`"/openapi.json"`:               func(a *API) { Get(a, "/openapi.json", to[none, none]()) },
		"must be a struct":              func(a *API) { Get(a, "/v1", to[string, none]()) },
		"field A: no tag says": func(a *API) {
			Get(a, "/v1", to[struct{ A string }, none]())
		},
		"has the tags path and query": func(a *API) {
			Get(a, "/v1/{a}", to[struct {
				A string `path:"a" query:"a"`
			}, none]())
		},
		"its tag query is empty": func(a *API) {
			Get(a, "/v1", to[struct {
				A string `query:""`
			}, none]())
		},
		`two for the header "a"`: func(a *API) {
			Get(a, "/v1", to[struct {
				A string `header:"A"`
				B string `header:"a"`
			}, none]())
		},
		"time.Duration is no parameter": func(a *API) {
			Get(a, "/v1", to[struct {
				A time.Duration `query:"a"`
			}, none]())
		},
		"chan int is no parameter": func(a *API) {
			Get(a, "/v1", to[struct {
				A chan int `query:"a"`
			}, none]())
		},
		"[]string is no parameter": func(a *API) {
			Get(a, "/v1", to[struct {
				A []string `header:"A"`
			}, none]())
		},
		"required and has a default": func(a *API) {
			Get(a, "/v1", to[struct {
				A string `query:"a" required:"true" default:"x"`
			}, none]())
		},
		`tag default: "x" is no number`: func(a *API) {
			Get(a, "/v1", to[struct {
				A int `query:"a" default:"x"`
			}, none]())
		},
		`tag default: "7" must be a whole number of at most 5`: func(a *API) {
			Get(a, "/v1", to[struct {
				A int `query:"a" default:"7" max:"5"`
			}, none]())
		},
		`required must be true or false, not "yes"`: func(a *API) {
			Get(a, "/v1", to[struct {
				A int `query:"a" required:"yes"`
			}, none]())
		},
		"a GET has no body": func(a *API) {
			Get(a, "/v1", to[struct {
				A int `json:"a"`
			}, none]())
		},
		"a DELETE has no body": func(a *API) {
			Delete(a, "/v1", to[struct {
				A item `body:""`
			}, none]())
		},
		"whole body already": func(a *API) {
			Post(a, "/v1", to[struct {
				A item `body:""`
				B item `body:""`
			}, none]())
		},
		"whole body and fields with json tags": func(a *API) {
			Post(a, "/v1", to[struct {
				A item `body:""`
				B item `json:"b"`
			}, none]())
		},
		"no form for the type chan int": func(a *API) {
			Post(a, "/v1", to[struct {
				A struct {
					C chan int `json:"c"`
				} `json:"a"`
			}, none]())
		},
		"its Out, chan int: JSON has no form": func(a *API) { Get(a, "/v1", to[none, chan int]()) },
		`add json:"-"`: func(a *API) {
			Get(a, "/v1", to[none, struct {
				L string `header:"Location"`
			}]())
		},
		"200 to 399, not 404":          func(a *API) { Get(a, "/v1", to[none, none](), Status(404)) },
		"an answer of 204 has no body": func(a *API) { Get(a, "/v1", to[none, item](), Status(204)) },
		"say by rest.Paged":            func(a *API) { Get(a, "/v1", to[page.Query, none]()) },
		"no field is a page.Query":     func(a *API) { Get(a, "/v1", to[none, none](), Paged(list())) },
		"page: Key":                    func(a *API) { Get(a, "/v1", to[page.Query, none](), Paged(page.Spec{})) },
		"there is one page.Query":      func(a *API) { Get(a, "/v1", to[struct{ A, B page.Query }, none](), Paged(list())) },
		`"sort" is one of the list's`: func(a *API) {
			Get(a, "/v1", to[struct {
				Page page.Query
				Sort string `query:"sort"`
			}, none](), Paged(list()))
		},
		`no code "nope"`:     func(a *API) { Get(a, "/v1", to[none, none](), Errors("nope")) },
		"MaxBody 0":          func(a *API) { Get(a, "/v1", to[none, none](), MaxBody(0)) },
		"the handler is nil": func(a *API) { Get[none, none](a, "/v1", nil) },
		"Info has no Title":  func(a *API) { *a = *New(Info{}) },
	} {
		a := New(Info{Title: "Test"})
		add(a)
		if err := a.Err(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v\nshould say %q", err, says)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1", nil))
		if w.Code != 500 {
			t.Errorf("an API with the error %q answers %d", says, w.Code)
		}
	}
}

func TestEveryErrorIsOneLine(t *testing.T) {
	a := New(Info{Title: "Test"})
	Get(a, "/a", to[string, none]())
	Get(a, "/b", to[int, none]())
	if got := strings.Count(a.Err().Error(), "\n"); got != 1 {
		t.Errorf("%d line ends for two errors:\n%v", got, a.Err())
	}
}

func TestRegistrationEndsWithTheFirstRequest(t *testing.T) {
	a := New(Info{Title: "Test"})
	Get(a, "/a", to[none, none]())
	a.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/a", nil))
	Get(a, "/b", to[none, none]())
	if err := a.Err(); err == nil || !strings.Contains(err.Error(), "before serving") {
		t.Errorf("%v", err)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a", nil))
	if w.Code != 204 {
		t.Errorf("what was there before now answers %d", w.Code)
	}
}

func TestOperationIDsAndGroups(t *testing.T) {
	for pattern, want := range map[string][2]string{
		"/v1/products/{id}": {"getV1ProductsById", "products"}, "/": {"get", ""}, "/v1/{id}": {"getV1ById", ""},
		"/files/{path...}": {"getFilesByPath", "files"}, "/a-b/{$}": {"getAB", "a-b"}, "/v2beta/x": {"getV2betaX", "v2beta"},
		"/über": {"getÜber", "über"},
	} {
		if got := operationID("GET", pattern); got != want[0] {
			t.Errorf("%s: %s, want %s", pattern, got, want[0])
		}
		if got := strings.Join(group(pattern), ","); got != want[1] {
			t.Errorf("%s: %s, want %s", pattern, got, want[1])
		}
	}
}

func TestCodesOfErrorsAreTheClosedSet(t *testing.T) {
	a := New(Info{Title: "Test"})
	Get(a, "/a", to[none, none](), Errors(problem.Codes()...))
	if err := a.Err(); err != nil {
		t.Error(err)
	}
}
