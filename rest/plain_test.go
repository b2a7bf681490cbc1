package rest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// What PostgreSQL refuses as text must not get as far as that.
func TestTextIsPlainWhereverItComesFrom(t *testing.T) {
	type in struct {
		ID    string   `path:"id"`
		Name  string   `query:"name"`
		Tags  []string `query:"tag"`
		Trace string   `header:"X-Trace"`
		Title string   `json:"title"`
		Lines []struct {
			Text string `json:"text"`
		} `json:"lines"`
		Facts map[string]string `json:"facts"`
		Any   any               `json:"any"`
	}
	a := New(Info{Title: "Test"})
	Post(a, "/v1/{id}", func(context.Context, in) (none, error) { return none{}, nil })
	if err := a.Err(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ path, query, header, body, field string }{
		"path, NUL":          {path: "a%00b", field: "id"},
		"path":               {path: "a%ffb", field: "id"},
		"query, NUL":         {query: "name=%00", field: "name"},
		"query":              {query: "name=%c3%28", field: "name"},
		"list":               {query: "tag=a&tag=%ff", field: "tag"},
		"header":             {header: "a\xff", field: "X-Trace"},
		"body, NUL":          {body: `{"title":"a\u0000"}`, field: "title"},
		"body":               {body: "{\"title\":\"a\xff\"}", field: "title"},
		"deep in the body":   {body: "{\"title\":\"a\",\"lines\":[{\"text\":\"b\"},{\"text\":\"\xff\"}]}", field: "lines[1].text"},
		"a name":             {body: `{"facts":{"a\u0000":"x"}}`, field: `facts.a\u0000`},
		"a name, not UTF-8":  {body: "{\"facts\":{\"a\xff\":\"x\"}}", field: "facts.a\uFFFD"},
		"under a free value": {body: `{"any":{"x":["a\u0000"]}}`, field: "any"},
		"a free value":       {body: "{\"any\":\"\xff\"}", field: "any"},
	} {
		path := "/v1/" + tt.path
		if tt.path == "" {
			path += "x"
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path+"?"+tt.query, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", "application/json")
		if tt.header != "" {
			r.Header.Set("X-Trace", tt.header)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"field":"`+tt.field+`","reason":"must be text in UTF-8 and without NUL"`) {
			t.Errorf("%s: %d %s, want the field %s", name, w.Code, w.Body, tt.field)
		}
	}
	text := "grün \uFFFD \U0001F375"
	if w := do(a, http.MethodPost, "/v1/"+url.PathEscape(text)+"?name="+url.QueryEscape(text), `{"title":"`+text+`"}`, "X-Trace", text); w.Code != http.StatusNoContent {
		t.Errorf("plain text: %d %s", w.Code, w.Body)
	}
}

func TestMediaOfABody(t *testing.T) {
	type in struct {
		Title string `json:"title"`
	}
	a := New(Info{Title: "Test"})
	Post(a, "/v1", to[in, none]())
	Patch(a, "/v1", to[in, none]())
	for _, tt := range []struct {
		method, media, coding string
		want                  int
	}{
		{"POST", "application/json", "", 204},
		{"POST", "application/json; charset=UTF-8", "identity", 204},
		{"POST", `application/json; charset="utf-8"`, "", 204},
		{"POST", "application/json; charset=iso-8859-1", "", 415},
		{"POST", "application/json; charset=utf-16", "", 415},
		{"POST", "application/json", "gzip", 415},
		{"POST", "application/json", "identity, br", 415},
		{"POST", "application/vnd.shop+json", "", 204},
		{"POST", "application/merge-patch+json", "", 415},
		{"PATCH", "application/merge-patch+json", "", 204},
		{"PATCH", "Application/Merge-Patch+JSON; charset=utf-8", "", 204},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, "/v1", bytes.NewReader([]byte(`{"title":"x"}`)))
		r.Header.Set("Content-Type", tt.media)
		if tt.coding != "" {
			r.Header.Set("Content-Encoding", tt.coding)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%+v: %d %s", tt, w.Code, w.Body)
		}
	}
	if w := do(a, http.MethodPost, "/v1", "", "Content-Encoding", "gzip"); w.Code != http.StatusNoContent {
		t.Errorf("without a body: %d", w.Code)
	}
}

func TestNilIsToldNotThrown(t *testing.T) {
	for says, add := range map[string]func(*API){
		"rest.Through is given nil": func(a *API) { Get(a, "/v1", to[none, none](), Through(nil)) },
		"returned nil": func(a *API) {
			Get(a, "/v1", to[none, none](), Through(func(http.Handler) http.Handler { return nil }))
		},
		"option 2 is nil":    func(a *API) { Get(a, "/v1", to[none, none](), Deprecated(), nil) },
		"the handler is nil": func(a *API) { Get[none, none](a, "/v1", nil) },
	} {
		a := New(Info{Title: "Test"})
		add(a)
		if err := a.Err(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want it to say %q", err, says)
		}
	}
	var a *API
	Get(a, "/v1", to[none, none]())
	if err := a.Err(); err == nil || !strings.Contains(err.Error(), "rest.New") {
		t.Errorf("a nil API: %v", err)
	}
	if w := do(a, http.MethodGet, "/v1", ""); w.Code != http.StatusInternalServerError {
		t.Errorf("a nil API answers %d", w.Code)
	}
}
