package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
)

type common struct {
	Lang string `query:"lang" enum:"en,de" default:"en"`
}

type everything struct {
	common
	ID      string     `path:"id" min:"1"`
	Rest    string     `path:"rest"`
	N       int        `query:"n" min:"1" max:"9"`
	U       uint8      `query:"u"`
	F       *float64   `query:"f"`
	OK      bool       `query:"ok"`
	At      time.Time  `query:"at"`
	IP      netip.Addr `query:"ip"`
	Tags    []string   `query:"tag" enum:"x,y" max:"2"`
	Nums    []int64    `query:"num"`
	Key     string     `header:"X-Key" required:"true"`
	Since   time.Time  `header:"If-Modified-Since"`
	Ignored string     `json:"-"`
	Name    string     `json:"name" required:"true" max:"5"`
	Lines   []struct {
		SKU string `json:"sku" required:"true"`
	} `json:"lines"`
}

// echo is an API whose one operation tells what it was given.
func echo[In any](t testing.TB, method, path string, opts ...Option) (*API, *In) {
	t.Helper()
	var got In
	a := New(Info{Title: "Test"})
	register(a, method, path, func(_ context.Context, in In) (struct{}, error) {
		got = in
		return struct{}{}, nil
	}, opts)
	if err := a.Err(); err != nil {
		t.Fatal(err)
	}
	return a, &got
}

func do(a http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, b)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestBindEverything(t *testing.T) {
	a, got := echo[everything](t, http.MethodPost, "/v1/{id}/files/{rest...}")
	w := do(a, http.MethodPost, "/v1/a%2Fb/files/c/d?lang=de&n=7&u=255&f=0.5&ok=true&at=2026-01-31T15:04:05%2B01:00&ip=::1&tag=x&tag=y&num=1&num=-2",
		`{"name":"tea","lines":[{"sku":"s"}]}`, "X-Key", "k", "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")
	if w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	half := 0.5
	want := everything{
		common: common{Lang: "de"}, ID: "a/b", Rest: "c/d", N: 7, U: 255, F: &half, OK: true,
		At: time.Date(2026, 1, 31, 15, 4, 5, 0, time.FixedZone("", 3600)), IP: netip.MustParseAddr("::1"),
		Tags: []string{"x", "y"}, Nums: []int64{1, -2}, Key: "k", Since: time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC), Name: "tea",
	}
	want.Lines = append(want.Lines, struct {
		SKU string `json:"sku" required:"true"`
	}{"s"})
	if !got.At.Equal(want.At) {
		t.Errorf("at %v", got.At)
	}
	got.At = want.At
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("\n got %+v\nwant %+v", *got, want)
	}
}

func TestAbsentParametersAreZeroOrTheirDefault(t *testing.T) {
	a, got := echo[everything](t, http.MethodPost, "/v1/{id}/files/{rest...}")
	if w := do(a, http.MethodPost, "/v1/a/files/", `{"name":""}`, "X-Key", ""); w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if want := (everything{common: common{Lang: "en"}, ID: "a"}); !reflect.DeepEqual(*got, want) {
		t.Errorf("\n got %+v\nwant %+v", *got, want)
	}
}

func TestBindTellsEveryFault(t *testing.T) {
	a, _ := echo[everything](t, http.MethodPost, "/v1/{id}/files/{rest...}")
	w := do(a, http.MethodPost, "/v1/a/files/?lang=fr&n=10&u=256&f=x&ok=1&at=now&ip=y&tag=x&tag=z&num=1.5&numb=2", `{"nam":"tea","lines":[{}]}`,
		"If-Modified-Since", "2026-01-31")
	e := problem.From(problem.FromResponse(w.Result()))
	want := []problem.Detail{
		{Field: "lang", Reason: "must be one of en, de"},
		{Field: "n", Reason: "must be a whole number from 1 to 9"},
		{Field: "u", Reason: "must be a whole number from 0 to 255"},
		{Field: "f", Reason: "must be a number"},
		{Field: "ok", Reason: "must be true or false"},
		{Field: "at", Reason: "must be a time such as 2026-01-31T15:04:05Z"},
		{Field: "ip", Reason: `ParseAddr("y"): unable to parse IP`},
		{Field: "tag", Reason: "must be one of x, y"},
		{Field: "num", Reason: "must be a whole number"},
		{Field: "X-Key", Reason: "is required"},
		{Field: "If-Modified-Since", Reason: "is not valid: write it as Sun, 06 Nov 1994 08:49:37 GMT"},
		{Field: "numb", Reason: `is not a known query parameter; did you mean "num"?`},
		{Field: "nam", Reason: `is not known here; did you mean "name"?`},
		{Field: "lines[0].sku", Reason: "is required"},
		{Field: "name", Reason: "is required"},
	}
	if w.Code != 400 || !reflect.DeepEqual(e.Details, want) || e.Message != "15 values of the request are wrong" {
		t.Errorf("%d %s\n got %+v\nwant %+v", w.Code, e.Message, e.Details, want)
	}
}

func TestBindRefuses(t *testing.T) {
	a, _ := echo[everything](t, http.MethodPost, "/v1/{id}/files/{rest...}", MaxBody(50))
	const path, body = "/v1/a/files/", `{"name":"tea"}`
	for name, tt := range map[string]struct {
		target, body string
		header       []string
		status       int
		says         string
	}{
		"twice":          {path + "?n=1&n=2", body, nil, 400, `"n" is given 2 times; give it once`},
		"header twice":   {path, body, []string{"X-Key", "b"}, 400, `"X-Key" is given 2 times`},
		"many":           {path + "?tag=x&tag=y&tag=x", body, nil, 400, `"tag" must have at most 2 items, not 3`},
		"bad escape":     {path + "?n=%zz", body, nil, 400, "query string is not well-formed"},
		"semicolon":      {path + "?n=1;u=2", body, nil, 400, "query string is not well-formed"},
		"no body":        {path, "", nil, 400, "the request has no body"},
		"not JSON":       {path, `name=tea`, nil, 400, "the body is not JSON"},
		"two values":     {path, body + body, nil, 400, "there is more after the JSON value"},
		"large":          {path, `{"name":"` + strings.Repeat("x", 50) + `"}`, nil, 413, "larger than 50 bytes"},
		"path by body":   {path, `{"name":"tea","ID":"z"}`, nil, 400, `"ID" is not known here`},
		"path by case":   {path, `{"name":"tea","id":"z"}`, nil, 400, `"id" is not known here`},
		"query by body":  {path, `{"name":"tea","N":3}`, nil, 400, `"N" is not known here`},
		"hidden by body": {path, `{"name":"tea","Ignored":"z"}`, nil, 400, `"Ignored" is not known here`},
		"case":           {path, `{"NAME":"tea"}`, nil, 400, "2 values"},
	} {
		w := do(a, http.MethodPost, tt.target, tt.body, append([]string{"X-Key", "k"}, tt.header...)...)
		e := problem.From(problem.FromResponse(w.Result()))
		if w.Code != tt.status || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, e.Message, tt.status, tt.says)
		}
	}
}

func TestBodyNeedsItsMediaType(t *testing.T) {
	a, _ := echo[struct {
		Name string `json:"name"`
	}](t, http.MethodPost, "/v1")
	for contentType, status := range map[string]int{
		"application/json": 204, "application/json; charset=utf-8": 204, "application/vnd.shop+json": 204, "application/merge-patch+json": 415, "Application/JSON": 204,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/jsonp": 415, ";": 415,
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1", strings.NewReader(`{"name":"x"}`))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%q: %d, want %d", contentType, w.Code, status)
		}
	}
	if w := do(a, http.MethodPost, "/v1", "", "Content-Type", "text/plain"); w.Code != 204 {
		t.Errorf("no body where none is needed: %d", w.Code)
	}
}

func TestWholeBody(t *testing.T) {
	type item struct {
		Name string `json:"name" required:"true"`
	}
	type in struct {
		ID   string `path:"id"`
		List []item `body:"" max:"2"`
	}
	a, got := echo[in](t, http.MethodPut, "/v1/{id}")
	if w := do(a, http.MethodPut, "/v1/7", `[{"name":"a"},{"name":"b"}]`); w.Code != 204 || !reflect.DeepEqual(*got, in{"7", []item{{"a"}, {"b"}}}) {
		t.Errorf("%d %s %+v", w.Code, w.Body, *got)
	}
	for body, says := range map[string]string{
		`[{"name":"a"},{"name":"b"},{"name":"c"}]`: "must have at most 2 items, not 3",
		`[{}]`:   `"[0].name" is required`,
		`{}`:     "must be an array, not an object",
		``:       "has no body",
		`[null]`: `"[0]" must be an object, not null`,
	} {
		w := do(a, http.MethodPut, "/v1/7", body)
		if e := problem.From(problem.FromResponse(w.Result())); w.Code != 400 || !strings.Contains(e.Message, says) {
			t.Errorf("%s: %d %s", body, w.Code, e.Message)
		}
	}
	type maybe struct {
		Item *item `body:""`
	}
	b, opt := echo[maybe](t, http.MethodPut, "/v1")
	if w := do(b, http.MethodPut, "/v1", ""); w.Code != 204 || opt.Item != nil {
		t.Errorf("%d %+v", w.Code, opt)
	}
	if w := do(b, http.MethodPut, "/v1", `{"name":"x"}`); w.Code != 204 || opt.Item.Name != "x" {
		t.Errorf("%d %+v", w.Code, opt)
	}
}

func TestPatchTellsAbsentFromZero(t *testing.T) {
	a, got := echo[struct {
		Name  *string `json:"name"`
		Price *int64  `json:"price"`
	}](t, http.MethodPatch, "/v1")
	if w := do(a, http.MethodPatch, "/v1", `{"price":0}`); w.Code != 204 || got.Name != nil || got.Price == nil || *got.Price != 0 {
		t.Errorf("%d %+v", w.Code, *got)
	}
}

func TestPaging(t *testing.T) {
	type in struct {
		Shop string `path:"shop"`
		Lang string `query:"lang"`
		page.Query
	}
	a, got := echo[in](t, http.MethodGet, "/{shop}/products", Paged(list()))
	w := do(a, http.MethodGet, "/corner/products?lang=de&limit=3&sort=-at&name=a", "")
	if w.Code != 204 || got.Shop != "corner" || got.Lang != "de" || got.Size() != 3 || len(got.Filters()) != 1 {
		t.Errorf("%d %s %+v", w.Code, w.Body, *got)
	}
	w = do(a, http.MethodGet, "/corner/products?lnag=de&limit=0", "")
	e := problem.From(problem.FromResponse(w.Result()))
	if w.Code != 400 || len(e.Details) != 2 || e.Details[0].Field != "limit" || e.Details[1].Field != "lnag" {
		t.Errorf("%d %+v", w.Code, e)
	}
	b, q := echo[page.Query](t, http.MethodGet, "/v1", Paged(list()))
	if w := do(b, http.MethodGet, "/v1?limit=7", ""); w.Code != 204 || q.Size() != 7 {
		t.Errorf("%d %d", w.Code, q.Size())
	}
}

type shouting string

func (s *shouting) UnmarshalText(text []byte) error {
	if string(text) == "bad" {
		return errors.New("is bad")
	}
	*s = shouting(bytes.ToUpper(text))
	return nil
}

func TestTextUnmarshalersAreTakenEverywhere(t *testing.T) {
	a, got := echo[struct {
		Q []shouting `query:"q"`
		H shouting   `header:"H"`
		P *shouting  `query:"p"`
		B shouting   `json:"b"`
	}](t, http.MethodPost, "/v1")
	w := do(a, http.MethodPost, "/v1?q=a&q=b&p=c", `{"b":"d"}`, "H", "e")
	if w.Code != 204 || got.Q[1] != "B" || got.H != "E" || *got.P != "C" || got.B != "D" {
		t.Errorf("%d %s %+v", w.Code, w.Body, *got)
	}
	w = do(a, http.MethodPost, "/v1?q=bad", `{"b":"bad"}`)
	if e := problem.From(problem.FromResponse(w.Result())); len(e.Details) != 2 || e.Details[0].Reason != "is bad" || e.Details[1].Field != "b" {
		t.Errorf("%+v", e)
	}
}

func TestABodyCutShortIsTheCallersFault(t *testing.T) {
	a, _ := echo[struct {
		Name string `json:"name" required:"true"`
	}](t, http.MethodPost, "/v1")
	r := httptest.NewRequest(http.MethodPost, "/v1", io.MultiReader(strings.NewReader(`{"na`), broken{}))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "could not be read") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w = httptest.NewRecorder()
	a.ServeHTTP(w, r.WithContext(ctx))
	if w.Code != 499 {
		t.Errorf("a caller that went away: %d", w.Code)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
