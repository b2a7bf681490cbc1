package snapshot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// tally is a filter that notes what is asked of it.
type tally struct {
	name   string
	says   *[]string
	refuse bool
	closed bool
}

func (f *tally) Request(_ context.Context, r *filter.Request) error {
	*f.says = append(*f.says, f.name)
	if f.refuse {
		return problem.New(problem.PermissionDenied, "not by %s", f.name)
	}
	r.Fields.Set("X-Seen", r.Fields.Get("X-Seen")+f.name)
	return nil
}

func (f *tally) Answer(_ *filter.Request, _ int, fields filter.Fields) {
	fields.Add("X-Answered", f.name)
}

func (f *tally) End(_ *filter.Request, status int) {
	*f.says = append(*f.says, fmt.Sprint(f.name, status))
}
func (f *tally) Owns() []string { return []string{"X-Owned"} }
func (f *tally) Close() error   { f.closed = true; return nil }

// kinds are makers whose filters note themselves in made and says.
type kinds struct {
	made []*tally
	says []string
}

func (k *kinds) config() snapshot.Config {
	maker := func(_ context.Context, env filter.Env, with json.RawMessage) (filter.Filter, error) {
		var spec struct {
			Refuse bool `json:"refuse"`
			Rate   int  `json:"rate"`
		}
		if err := filter.Decode(with, &spec); err != nil {
			return nil, err
		}
		if spec.Rate < 0 {
			return nil, problem.New(problem.InvalidArgument, "bad").WithField("rate", "must not be negative")
		}
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_edge_tally_total", Help: "Made."})
		if err := env.Metrics.Register(c); err != nil {
			return nil, err
		}
		c.Inc()
		f := &tally{name: env.Name, says: &k.says, refuse: spec.Refuse}
		k.made = append(k.made, f)
		return f, nil
	}
	wraps := func(_ context.Context, env filter.Env, _ json.RawMessage) (filter.Filter, error) {
		return wrapping{env.Name, &k.says}, nil
	}
	return snapshot.Config{Makers: map[string]filter.Maker{"tally": maker, "wrap": wraps}, Env: filter.Env{Metrics: prometheus.NewRegistry()}}
}

type wrapping struct {
	name string
	says *[]string
}

func (wrapping) Request(context.Context, *filter.Request) error { return nil }

func (w wrapping) Wrap(next http.Handler) http.Handler {
	calls := 0
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		calls++
		*w.says = append(*w.says, fmt.Sprint(w.name, calls))
		next.ServeHTTP(out, r)
	})
}

func doc(t *testing.T, text string) snapshot.Document {
	t.Helper()
	d, err := snapshot.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const three = `{"routes": [{"path":"/a","service":"s","filters":["b"]},{"path":"/c","service":"s"}],
	"filters": {"a":{"kind":"tally"},"b":{"kind":"tally","with":{"rate":1}}}, "apply":["a"]}`

// A chain is those of all routes and then its own; answers pass it backwards.
func TestChain(t *testing.T) {
	k := &kinds{}
	s, err := snapshot.Compile(t.Context(), doc(t, three), nil, k.config())
	if err != nil {
		t.Fatal(err)
	}
	r := &filter.Request{Fields: &filter.Header{{Name: "x_owned", Value: "forged"}, {Name: "X-Owned", Value: "forged"}, {Name: "X-Other", Value: "1"}}}
	c := s.Chain(s.Match("", "/a"))
	if err := c.Judge(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if r.Fields.Get("x_owned")+r.Fields.Get("x-owned") != "" || r.Fields.Get("X-Other") != "1" || r.Fields.Get("X-Seen") != "ab" {
		t.Errorf("the fields are %v", r.Fields)
	}
	answer := &filter.Header{}
	c.Answer(r, 200, answer)
	c.End(r, 204)
	if got := answer.Values("X-Answered"); !slices.Equal(got, []string{"b", "a"}) || fmt.Sprint(k.says) != "[a b a204 b204]" {
		t.Errorf("answered by %v, said %v", got, k.says)
	}
	k.says = nil
	if err := s.Chain(s.Match("", "/c")).Judge(t.Context(), r); err != nil || fmt.Sprint(k.says) != "[a]" {
		t.Errorf("the other route asked %v, %v", k.says, err)
	}
}

// What refuses ends the chain.
func TestRefusal(t *testing.T) {
	k := &kinds{}
	s, err := snapshot.Compile(t.Context(), doc(t, strings.Replace(three, `"a":{"kind":"tally"}`, `"a":{"kind":"tally","with":{"refuse":true}}`, 1)), nil, k.config())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Chain(s.Match("", "/a")).Judge(t.Context(), &filter.Request{Fields: &filter.Header{}})
	if problem.CodeOf(err) != problem.PermissionDenied || fmt.Sprint(k.says) != "[a]" {
		t.Errorf("%v, asked %v", err, k.says)
	}
}

// A filter lives on while its name and spec do, whatever else changes; what is used no more
// is closed, once the next is in use.
func TestFiltersLiveOn(t *testing.T) {
	k := &kinds{}
	first, err := snapshot.Compile(t.Context(), doc(t, three), nil, k.config())
	if err != nil {
		t.Fatal(err)
	}
	a, b := k.made[0], k.made[1]
	next := strings.NewReplacer(`{"rate":1}`, `{ "rate": 2 }`, `"kind":"tally"}`, `"kind": "tally"}`, `"/c"`, `"/d"`).Replace(three)
	second, err := snapshot.Compile(t.Context(), doc(t, next), first, k.config())
	if err != nil {
		t.Fatal(err)
	}
	if len(k.made) != 3 || a.closed || b.closed {
		t.Fatalf("%d filters were made, closed: %v %v", len(k.made), a.closed, b.closed)
	}
	if err := first.Retire(second); err != nil || a.closed || !b.closed {
		t.Errorf("closed: a %v, b %v, %v", a.closed, b.closed, err)
	}
	if third, err := snapshot.Compile(t.Context(), doc(t, strings.ReplaceAll(next, " 2 ", "2")), second, k.config()); err != nil || len(k.made) != 3 {
		t.Errorf("only spaces changed, and %d filters were made: %v, %v", len(k.made), third, err)
	}
	all, err := second.Metrics().Gather()
	if err != nil || len(all) != 1 || len(all[0].GetMetric()) != 2 {
		t.Errorf("gathered %v, %v", all, err)
	}
	if err := second.Retire(nil); err != nil || !a.closed || !k.made[2].closed {
		t.Errorf("at the end not all are closed: %v", err)
	}
}

// A bad document is named by all its mistakes, and what was made for it is closed; the one
// before keeps what it has.
func TestBadDocuments(t *testing.T) {
	k := &kinds{}
	good, err := snapshot.Compile(t.Context(), doc(t, three), nil, k.config())
	if err != nil {
		t.Fatal(err)
	}
	bad := doc(t, `{"routes": [{"path":"a","service":"s","filters":["x","a"]},{"path":"/c","service":"s","filters":["ab","ab"]}],
		"filters": {"a":{"kind":"tally"},"ab":{"kind":"tally","with":{"rate":1}},"c":{"kind":"tall"},"d":{"kind":"tally","with":{"rate":-1}},
		"e":{"kind":"tally","with":{"rat":1}},"f":{"kind":"tally","with":{"rate":"1"}}}, "apply":["a","q"]}`)
	_, err = snapshot.Compile(t.Context(), bad, good, k.config())
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || e.Code != problem.InvalidArgument {
		t.Fatal(err)
	}
	var fields []string
	for _, d := range e.Details {
		fields = append(fields, d.Field)
	}
	want := []string{"routes[0].path", "apply[1]", "routes[0].filters[0]", "routes[0].filters[1]", "routes[1].filters[1]", "filters.c", "filters.d.with.rate", "filters.e.with", "filters.f.with.rate"}
	if !slices.Equal(fields, want) {
		t.Errorf("found %q\nwant %q", fields, want)
	}
	if k.made[0].closed || k.made[1].closed || len(k.made) != 3 || !k.made[2].closed {
		t.Errorf("of %d filters, closed: %v %v %v", len(k.made), k.made[0].closed, k.made[1].closed, k.made[2].closed)
	}
	many := snapshot.Document{Routes: []route.Route{}, Filters: map[string]filter.Spec{}}
	for i := range snapshot.MaxFilters + 1 {
		many.Filters[fmt.Sprint("f", i)] = filter.Spec{Kind: "tally"}
	}
	if _, err := snapshot.Compile(t.Context(), many, nil, k.config()); err == nil || len(k.made) != 3 {
		t.Errorf("%d filters are taken: %v", len(many.Filters), err)
	}
}

// introduces says who asks, judges lets nobody in of whom that was not said.
type (
	introduces struct{ wrapping }
	judges     struct{ wrapping }
)

func (introduces) Introduces() bool { return true }
func (judges) Judges()              {}

// A filter that judges who asks comes behind one that finds out.
func TestOrder(t *testing.T) {
	kind := func(f filter.Filter) filter.Maker {
		return func(context.Context, filter.Env, json.RawMessage) (filter.Filter, error) { return f, nil }
	}
	cfg := snapshot.Config{Makers: map[string]filter.Maker{"login": kind(introduces{}), "known": kind(judges{}), "other": kind(wrapping{})}}
	for names, want := range map[string]string{
		`"filters":["l","k"]}],"apply":[]`:         "",
		`"filters":["k"]}],"apply":["l"]`:          "",
		`"filters":["l"]}],"apply":["o","k"]`:      "apply[1]",
		`"filters":["o","k","l"]}],"apply":["o2"]`: "routes[0].filters[1]",
		`"filters":["k","k2"]}],"apply":["o"]`:     "routes[0].filters[0] routes[0].filters[1]",
	} {
		_, err := snapshot.Compile(t.Context(), doc(t, `{"filters":{"l":{"kind":"login"},"k":{"kind":"known"},"k2":{"kind":"known"},"o":{"kind":"other"},"o2":{"kind":"other"}},
			"routes":[{"path":"/a","service":"s",`+names+`}`), nil, cfg)
		var found []string
		if err != nil {
			for _, d := range problem.From(err).Details {
				found = append(found, d.Field)
			}
		}
		if strings.Join(found, " ") != want {
			t.Errorf("%s: %v, want %q", names, err, want)
		}
	}
}

// Middlewares wrap once for all requests, and pass them on in their order.
func TestMiddleware(t *testing.T) {
	k := &kinds{}
	s, err := snapshot.Compile(t.Context(), doc(t, `{"routes":[{"path":"/a","service":"s","filters":["x","y"]},{"path":"/b","service":"s","filters":["y"]}],
		"filters":{"x":{"kind":"wrap"},"y":{"kind":"wrap"}}}`), nil, k.config())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/a", "/b", "/a"} {
		c := s.Chain(s.Match("", path))
		if !c.Whole() {
			t.Fatal("the chain is not of whole requests")
		}
		w := httptest.NewRecorder()
		c.Serve(w, httptest.NewRequest(http.MethodGet, path, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			k.says = append(k.says, "last")
			_, _ = io.WriteString(w, r.URL.Path)
		}))
		if w.Body.String() != path {
			t.Errorf("%s was answered %q", path, w.Body)
		}
	}
	if got := fmt.Sprint(k.says); got != "[x1 y1 last y2 last x2 y3 last]" {
		t.Errorf("passed %s", got)
	}
}

func TestParse(t *testing.T) {
	d := doc(t, `{"routes": [
		{"host": "a.example", "path": "/x", "service": "x", "methods": ["GET"], "deprecated": {"since": "2026-01-02", "sunset": "2026-12-31T12:00:00Z"}},
		{"path": "/p.S/", "grpc": true, "service": "y", "versions": [{"version": "v1", "weight": 3}]}
	]}`)
	s, err := snapshot.Compile(t.Context(), d, nil, snapshot.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Services()); got != "[x y]" {
		t.Errorf("services %s", got)
	}
	again, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if second := doc(t, string(again)); fmt.Sprintf("%+v", second.Routes) == "" || string(must(json.Marshal(second))) != string(again) {
		t.Errorf("%s is read as %+v", again, second)
	}
	for text, want := range map[string]string{
		"":                                  "line 1, column 1",
		"{\n  \"routes\": [}\n":             "line 2, column 14",
		"{\"routes\": [{\"path\": 7}]}":     "routes.path: must be a text, not a number",
		"{\"routes\": [],\n\"weights\": 1}": `unknown field "weights"`,
		`{"routes": []} {}`:                 "something follows",
		`[]`:                                "all of it: must be an object, not a list",
		`{"routes": [], "filters": {}, "routes": [{"path": "/", "service": "s"}]}`:                                    `column 38: "routes" is there twice`,
		`{"routes": [{"path": "/a", "service": "s", "path": "/b"}]}`:                                                  `"path" is there twice`,
		`{"routes": [], "filters": {"f": {"kind": "fields", "with": {"a": [{"x": "x"}, {"x": 1}], "b": 1, "a": 2}}}}`: `"a" is there twice`,
		`{}`:   "routes: is missing",
		`null`: "routes: is missing",
		`{"routes": [{"path":"/a","service":"s","deprecated":{"since":"soon"}}]}`: "is no date",
	} {
		if _, err := snapshot.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := snapshot.Parse(make([]byte, route.MaxDocument+1)); err == nil {
		t.Error("a document of any size is read")
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		return []byte(err.Error())
	}
	return data
}

// A document is refused, or each of its routes is found by the requests it asks for.
func FuzzCompile(f *testing.F) {
	f.Add([]byte(`{"routes":[{"host":"a","path":"/x","service":"x","versions":[{"version":"v1","weight":3}]}]}`))
	f.Add([]byte(`{"routes":[{"path":"/p.S/","grpc":true,"service":"y"}],"filters":{"a":{"kind":"tally"}},"apply":["a"]}`))
	f.Add([]byte(`{"routes":[{"path":"/p","service":"y","methods":["GET"],"headers":[{"name":"A","pattern":"[a-z]*"}],"query":[{"name":"q","present":false}]}]}`))
	f.Add([]byte(`{"routes":[{"path":"/p","redirect":{"scheme":"https","prefix":"/q"}},{"path":"/r","service":"s","rewrite":{"prefix":"/"}}]}`))
	f.Add([]byte(`{"routes":[{"host":"*.a.b","path":"/","service":"s"},{"host":"*.c.a.b","path":"/","service":"s"}]}`))
	f.Add([]byte("{\"routes\":[\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := snapshot.Parse(data)
		if err != nil {
			if problem.CodeOf(err) != problem.InvalidArgument {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		k := &kinds{}
		s, err := snapshot.Compile(t.Context(), d, nil, k.config())
		if err != nil {
			if e := problem.From(err); e.Code != problem.InvalidArgument || len(e.Details) == 0 {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		for _, r := range s.Table.Routes() {
			path := r.Path
			if r.GRPC {
				path += "Method"
			}
			if len(r.Headers)+len(r.Query)+len(r.Methods) > 0 {
				continue
			}
			if m := s.Match(r.Host, path); m == nil || m.Label != r.Name() {
				t.Fatalf("%q: the route %s does not match its own path", data, r.Name())
			}
			if _, _, err := s.Match(r.Host, path).Location("http", "h", path, "a=b"); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
		}
	})
}

func ExampleCompile() {
	d, err := snapshot.Parse([]byte(`{"routes": [{"path": "/v1/orders", "service": "orders", "filters": ["login"]}], "filters": {"login": {"kind": "open"}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	makers := map[string]filter.Maker{"open": func(context.Context, filter.Env, json.RawMessage) (filter.Filter, error) { return open{}, nil }}
	s, err := snapshot.Compile(context.Background(), d, nil, snapshot.Config{Makers: makers})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &filter.Request{Fields: &filter.Header{}}
	fmt.Println(s.Chain(s.Match("", "/v1/orders/7")).Judge(context.Background(), r), r.Subject.ID)
	// Output: <nil> somebody
}

type open struct{}

func (open) Request(_ context.Context, r *filter.Request) error {
	r.Identify(filter.Subject{ID: "somebody", By: "open"})
	return nil
}
