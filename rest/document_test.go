package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
)

type thing struct {
	ID     string            `json:"id" doc:"Its id." example:"t7"`
	Name   string            `json:"name" required:"true" min:"1"`
	Color  *string           `json:"color" enum:"red,green"`
	Parent *thing            `json:"parent,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	At     time.Time         `json:"at"`
}

func (thing) ETag() string { return "v" }

// whole is an API that uses everything the document can show.
func whole(t testing.TB) *API {
	t.Helper()
	a := New(Info{Title: "Whole", Version: "1.2.3", Description: "All of it.", Servers: []string{"https://api.example.com/shop"}})
	Get(a, "/v1/things/{id}", to[struct {
		ID   string `path:"id" doc:"Which one." min:"1"`
		Lang string `query:"lang" enum:"en,de" default:"en" doc:"The language."`
	}, thing](), Doc("One thing", "With its labels."), Errors(problem.NotFound, problem.Gone))
	Get(a, "/v1/things", to[page.Query, page.Page[thing]](), Paged(list()), Tags("things", "lists"))
	Post(a, "/v1/things", to[struct {
		Key   string   `header:"Idempotency-Key" required:"true"`
		Tags  []string `query:"tag" max:"3"`
		Thing thing    `body:"" doc:"What to make."`
	}, struct {
		Location string `header:"Location" json:"-" doc:"Where it is."`
		ID       string `json:"id"`
	}](), Status(http.StatusCreated), ID("makeThing"))
	Patch(a, "/v1/things/{id}", to[struct {
		ID   string `path:"id"`
		Name string `json:"name" required:"true"`
	}, none](), Deprecated())
	Delete(a, "/v1/things/{id}", to[struct {
		ID string `path:"id"`
	}, none]())
	Get(a, "/files/{path...}", to[struct {
		Path string `path:"path"`
	}, []any]())
	if err := a.Err(); err != nil {
		t.Fatal(err)
	}
	return a
}

func documentOf(t testing.TB, a *API) (map[string]any, []byte) {
	t.Helper()
	w := do(a, http.MethodGet, "/openapi.json", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc, w.Body.Bytes()
}

func TestDocumentIsSound(t *testing.T) {
	doc, _ := documentOf(t, whole(t))
	v := validator{t: t, doc: doc, ids: map[string]bool{}}
	v.document()
	empty, _ := documentOf(t, New(Info{Title: "Empty"}))
	v = validator{t: t, doc: empty, ids: map[string]bool{}}
	v.document()
}

func TestDocumentShowsWhatIsServed(t *testing.T) {
	doc, _ := documentOf(t, whole(t))
	at := func(path ...string) string {
		var v any = doc
		for _, p := range path {
			switch x := v.(type) {
			case map[string]any:
				v = x[p]
			case []any:
				var i int
				if _, err := fmt.Sscan(p, &i); err != nil || i >= len(x) {
					return "no " + p
				}
				v = x[i]
			}
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	one := []string{"paths", "/v1/things/{id}", "get"}
	for want, path := range map[string][]string{
		`"3.1.1"`: {"openapi"},
		`{"description":"All of it.","title":"Whole","version":"1.2.3"}`: {"info"},
		`[{"url":"https://api.example.com/shop"}]`:                       {"servers"},
		`"getV1ThingsById"`: append(one, "operationId"),
		`"One thing"`:       append(one, "summary"),
		`{"description":"Which one.","in":"path","name":"id","required":true,"schema":{"minLength":1,"type":"string"}}`:           append(one, "parameters", "0"),
		`{"description":"The language.","in":"query","name":"lang","schema":{"default":"en","enum":["en","de"],"type":"string"}}`: append(one, "parameters", "1"),
		`"If-None-Match"`: append(one, "parameters", "2", "name"),
		`{"application/json":{"schema":{"$ref":"#/components/schemas/thing"}}}`: append(one, "responses", "200", "content"),
		`"What If-None-Match names is still current."`:                          append(one, "responses", "304", "description"),
		`"Not Found: a problem with the code not_found."`:                       append(one, "responses", "404", "description"),
		`"Gone: a problem with the code gone."`:                                 append(one, "responses", "410", "description"),
		`{"$ref":"#/components/responses/Problem"}`:                             append(one, "responses", "default"),
		`["things","lists"]`:                                                    {"paths", "/v1/things", "get", "tags"},
		`{"default":20,"maximum":100,"minimum":1,"type":"integer"}`:             {"paths", "/v1/things", "get", "parameters", "0", "schema"},
		`{"$ref":"#/components/schemas/Page_thing"}`:                            {"paths", "/v1/things", "get", "responses", "200", "content", "application/json", "schema"},
		`["items"]`:   {"components", "schemas", "Page_thing", "required"},
		`"makeThing"`: {"paths", "/v1/things", "post", "operationId"},
		`{"Location":{"description":"Where it is.","schema":{"type":"string"}}}`: {"paths", "/v1/things", "post", "responses", "201", "headers"},
		`{"description":"Done."}`:    {"paths", "/v1/things/{id}", "patch", "responses", "204"},
		`true`:                       {"paths", "/v1/things/{id}", "patch", "deprecated"},
		`["name"]`:                   {"components", "schemas", "thingInput", "required"},
		`["id","name","color","at"]`: {"components", "schemas", "thing", "required"},
		`{"enum":["red","green",null],"type":["string","null"]}`: {"components", "schemas", "thing", "properties", "color"},
		`["t7"]`:                       {"components", "schemas", "thing", "properties", "id", "examples"},
		`"#/components/schemas/thing"`: {"components", "schemas", "thing", "properties", "parent", "$ref"},
		`{"description":"The rows of this page.","items":{"$ref":"#/components/schemas/thing"},"type":"array"}`: {"components", "schemas", "Page_thing", "properties", "items"},
		`"path"`:   {"paths", "/files/{path}", "get", "parameters", "0", "name"},
		`"things"`: {"tags", "0", "name"},
	} {
		if got := at(path...); got != want {
			t.Errorf("%v:\n got %s\nwant %s", path, got, want)
		}
	}
	input := at("paths", "/v1/things", "post", "requestBody")
	if !strings.Contains(input, `"#/components/schemas/thingInput"`) || !strings.Contains(input, `"description":"What to make."`) || !strings.Contains(input, `"required":true`) {
		t.Errorf("the body: %s", input)
	}
	if got := at("components", "schemas", "thingInput", "additionalProperties"); got != "false" {
		t.Errorf("an input takes %s more", got)
	}
}

func TestDocumentIsAlwaysTheSame(t *testing.T) {
	_, first := documentOf(t, whole(t))
	for range 5 {
		if _, again := documentOf(t, whole(t)); string(again) != string(first) {
			t.Fatal("two builds of one API differ")
		}
	}
	if !strings.Contains(string(first), `"id": {`) || strings.Index(string(first), `"/v1/things/{id}"`) > strings.Index(string(first), `"/v1/things":`) {
		t.Error("the paths are not in the order of registration")
	}
}

// The problem that is documented is the one that is sent.
func TestProblemSchemaIsWhatIsWritten(t *testing.T) {
	a := New(Info{Title: "Test"})
	Get(a, "/x", func(context.Context, none) (none, error) {
		return none{}, problem.New(problem.Conflict, "m").WithField("f", "r").WithMeta("k", "v").WithRetryAfter(time.Second)
	})
	w := do(a, http.MethodGet, "/x", "")
	schema := problemSchema()
	schema.Closed = true
	if faults := schema.Check(w.Body.Bytes()); len(faults) > 0 {
		t.Errorf("%s: %+v", w.Body, faults)
	}
	var sent map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &sent); err != nil {
		t.Fatal(err)
	}
	for _, p := range schema.Properties {
		if _, ok := sent[p.Key]; !ok {
			t.Errorf("%s is documented and not sent", p.Key)
		}
	}
}
