package gate_test

import (
	"fmt"
	"testing"

	"github.com/musterdev/muster/platform/fleet/gate"
	"github.com/musterdev/muster/strictyaml"
)

func ExampleReadFilters() {
	var errs strictyaml.Collector
	n := strictyaml.Parse("muster.yaml", []byte("login:\n  jwt:\n    issuers: [{issuer: https://id.example}]\nslow: {limit: {rate: 5/s}, more: {}}\nopen: {cors: }\n"), &errs)
	for _, f := range gate.ReadFilters(n) {
		fmt.Println(f.Name, f.Kind, f.With, f.Places.Of("with.issuers[0].issuer"), f.Places.Of("with.nothing"))
	}
	fmt.Println(errs.Err())
	// Output:
	// login jwt {"issuers":[{"issuer":"https://id.example"}]} muster.yaml:3:16 muster.yaml:3:5
	// open cors {} muster.yaml:5:14 muster.yaml:5:14
	// muster.yaml:4:7: a filter has one kind, such as {jwt: {…}}
}

func read(t *testing.T, text string) (gate.Options, error) {
	t.Helper()
	var errs strictyaml.Collector
	n := strictyaml.Parse("muster.yaml", []byte(text), &errs)
	var r gate.Reader
	n.Fields("a route", r.Fields())
	return r.Options(n.Place), errs.Err()
}

func TestOptions(t *testing.T) {
	o, err := read(t, `{methods: GET, headers: {X-A: 1, X-B: {prefix: 2}, X-C: }, query: {v: {present: false}}, filters: a, mirror: shadow, exact: false, deprecated: {since: 2026-01-02}}`)
	if err != nil {
		t.Fatal(err)
	}
	const when = `"headers":[{"name":"X-A","value":"1"},{"name":"X-B","prefix":"2"},{"name":"X-C"}],"methods":["GET"],"query":[{"name":"v","present":false}]}`
	if o.When != "{"+when {
		t.Errorf("when %s", o.When)
	}
	if want := `{"deprecated":{"since":"2026-01-02"},"exact":false,"filters":["a"],"headers":[{"name":"X-A","value":"1"},{"name":"X-B","prefix":"2"},{"name":"X-C"}],` +
		`"methods":["GET"],"mirror":{"service":"shadow"},"query":[{"name":"v","present":false}]}`; o.All != want {
		t.Errorf("all %s", o.All)
	}
	for path, want := range map[string]string{
		"headers[1].prefix": "muster.yaml:1:40", "headers[1].value": "muster.yaml:1:34", "deprecated.since": "muster.yaml:1:145", "": "muster.yaml:1:1", "service": "muster.yaml:1:1",
	} {
		if got := o.Places.Of(path).String(); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
	if o, err := read(t, `{}`); err != nil || o.All != "" || o.When != "" {
		t.Errorf("nothing is read as %+v, %v", o, err)
	}
	if same, _ := read(t, "query: {v: {present: false}}\nheaders: {X-A: \"1\", X-B: {prefix: \"2\"}, X-C: null}\nmethods: [GET]\n"); same.When != o.When {
		t.Errorf("the same conditions are %s", same.When)
	}
}
