package load_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load"
)

const shopping = `
load:
  url: http://127.0.0.1:8080
  arrivals: constant
  stages:
    - {rate: 10/s, for: 5s}
    - {rate: 10/s, to: 600/m, for: 1m}
  in-flight: 50
  timeout: 2s
  seed: 7
  vars:
    term: [pen, paper]
    currency: EUR
  flows:
    browse:
      weight: 3
      priority: low
      steps:
        - request: GET /v1/products?q=${term}
          capture: {sku: {json: "$.items[*].sku"}}
          think: 200ms
        - name: one product
          request: /v1/products/${sku}
    buy:
      headers: {Authorization: "Bearer ${currency}"}
      steps:
        - request: POST /v1/orders
          headers: {Idempotency-Key: "${unique}"}
          body: '{"currency": "${currency}", "price": "$$5"}'
          status: [201, 202]
          priority: critical
          timeout: 500ms
          capture:
            where: {header: Location}
  slo: {p99: 200ms, p99.9: 1s, failed: 0.1%}
`

func TestRead(t *testing.T) {
	got, err := load.Read("load.yaml", []byte(shopping))
	if err != nil {
		t.Fatal(err)
	}
	to, share := load.Rate(10), load.Share(0.001)
	low, critical := resilience.Low, resilience.Critical
	want := load.Plan{
		URL: "http://127.0.0.1:8080", Arrivals: load.Constant, InFlight: 50, Timeout: 2 * time.Second, Seed: 7,
		Stages: []load.Stage{{Rate: 10, For: 5 * time.Second}, {Rate: 10, To: &to, For: time.Minute}},
		Vars:   map[string][]string{"term": {"pen", "paper"}, "currency": {"EUR"}},
		Flows: []load.Flow{
			{Name: "browse", Weight: 3, Priority: &low, Steps: []load.Step{
				{Method: "GET", Path: "/v1/products?q=${term}", Think: 200 * time.Millisecond, Capture: map[string]load.Capture{"sku": {JSON: "$.items[*].sku"}}},
				{Name: "one product", Path: "/v1/products/${sku}"},
			}},
			{Name: "buy", Headers: map[string]string{"Authorization": "Bearer ${currency}"}, Steps: []load.Step{{
				Method: "POST", Path: "/v1/orders", Headers: map[string]string{"Idempotency-Key": "${unique}"},
				Body: `{"currency": "${currency}", "price": "$$5"}`, Status: []int{201, 202}, Priority: &critical, Timeout: 500 * time.Millisecond,
				Capture: map[string]load.Capture{"where": {Header: "Location"}},
			}}},
		},
		SLO: load.SLO{P99: 200 * time.Millisecond, P999: time.Second, Failed: &share},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.For() != 65*time.Second {
		t.Errorf("it lasts %s", got.For())
	}
}

func TestReadRefuses(t *testing.T) {
	short := func(s string) string { return "load: {url: 'http://h', rate: 1/s, for: 1s, " + s + "}" }
	for text, want := range map[string]string{
		"":                           "x.yaml:1:1: there is no load here",
		"load: 5":                    "wants a mapping",
		"lood: {}":                   `x.yaml:1:1: unknown key "lood"; did you mean "load"?`,
		"load: {}":                   "how many come",
		"load: {rate: 5/x, for: 1s}": `x.yaml:1:14: "rate": "5/x" is not a rate: write "50/s"`,
		"load: {rate: 5/s, for: 1}":  "wants a duration",
		short("stages: []"):          "keep one of both",
		short("flow: []"):            `"flow" is empty`,
		short("flow: {}"):            `"flow" wants a list of requests`,
		short(""):                    "it wants either flow",
		short("flow: [{request: /}], flows: {a: {steps: [{request: /}]}}"):      "it wants either flow",
		short("flow: [{reqest: GET /}]"):                                        `unknown key "reqest"; did you mean "request"?`,
		short("flow: [{}]"):                                                     "a step wants a request",
		short("flow: [{request: GET}]"):                                         "wants a method and a path",
		short("flow: [{request: 'G(T /'}]"):                                     "wants a method and a path",
		short("flow: [{request: 'GET /${'}]"):                                   "write ${name}",
		short("flow: [{request: 'GET /$5'}]"):                                   "a dollar stands alone",
		short("flow: [{request: 'GET /${id}'}]"):                                "${id} has no value here; it must be in vars",
		short("vars: {size: 1}, flow: [{request: 'GET /${sice}'}]"):             `${sice} has no value here; did you mean "size"?`,
		short("flow: [{request: 'GET /${id}', capture: {id: {json: $.id}}}]"):   "${id} has no value here",
		short("flow: [{request: GET /, capture: {id: {}}}]"):                    "exactly one of json, header and regexp",
		short("flow: [{request: GET /, capture: {id: {json: $., header: x}}}]"): "exactly one of",
		short("flow: [{request: GET /, capture: {id: {json: id}}}]"):            "it begins with $",
		short("flow: [{request: GET /, capture: {id: {regexp: '('}}}]"):         "regexp",
		short("flow: [{request: GET /, capture: {visit: {header: x}}}]"):        "is no name of a variable",
		short("flow: [{request: GET /, status: 99}]"):                           "wants a whole number from 100 to 599",
		short("flow: [{request: GET /, priority: urgent}]"):                     "priority",
		short("flow: [{request: GET /, headers: {'a b': c}}]"):                  "is no name of a header",
		short("flow: [{request: GET /}], slo: {p98: 1s}"):                       `unknown key "p98"`,
		short("flow: [{request: GET /}], slo: {failed: 2}"):                     "is not a share",
		short("flow: [{request: GET /}], arrivals: even"):                       "is no kind of arrivals",
		short("flow: [{request: GET /}], vars: {'a-b': 1}"):                     "is no name of a variable",
		short("flow: [{request: GET /}], vars: {a: []}"):                        "is empty",
		short("flow: [{request: GET /}, {request: GET /}]"):                     "there is another step \"GET /\"; give one a name",
		short("flows: {a: {}}"):                                                 `the flow "a" has no steps`,
		"load: {stages: [{for: 1s}], url: 'http://h', flow: [{request: /}]}":    "a stage wants a rate",
		"load: {rate: 1/s, for: 1s, flow: [{request: /}]}":                      "needs the plan's url",
		"load: {rate: 1/s, for: 1s, url: nowhere, flow: [{request: /}]}":        "must be a URL such as",
		"load: {rate: 1/s, for: 25h, url: 'http://h', flow: [{request: /}]}":    "wants a duration from 1ms to 24h",
	} {
		_, err := load.Read("x.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.yaml:") {
			t.Errorf("%s:\n%v, want %q", text, err, want)
		}
	}
}

// A plan without a URL is half a plan, for who knows one.
func TestParseLeavesTheURLToTheCaller(t *testing.T) {
	p, err := load.Parse("x.yaml", []byte("load: {rate: 1/s, for: 1s, flow: [{request: /}]}"))
	if err != nil || p.URL != "" || !p.NeedsURL() || p.Validate() == nil {
		t.Fatalf("%+v, %v, %v", p, err, p.Validate())
	}
	if p.URL = "http://h"; p.NeedsURL() || p.Validate() != nil {
		t.Error(p.Validate())
	}
	if _, err := load.Parse("x.yaml", []byte("load: {rate: 1/s, for: 1s, flaw: []}")); err == nil {
		t.Error("it takes any key")
	}
}

// Whatever the file, there is a plan that can be run or an error.
func FuzzRead(f *testing.F) {
	f.Add(shopping)
	f.Add("load: {url: 'http://h', rate: 1/s, for: 1s, flow: [{request: GET /}]}")
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := load.Read("x.yaml", []byte(text))
		if err == nil {
			err = plan.Validate()
		}
		if err == nil && (plan.For() <= 0 || len(plan.Flows) == 0) {
			t.Errorf("a plan of nothing: %+v", plan)
		}
	})
}
