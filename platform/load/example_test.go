package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/musterdev/muster/platform/load"
)

// Twenty visitors look at a list and open one of its entries.
func ExampleRun() {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items": [{"sku": "pen"}, {"sku": "paper"}]}`)
	}))
	defer shop.Close()

	plan, err := load.Read("shop.yaml", []byte(`
load:
  rate: 100/s
  for: 200ms
  arrivals: constant
  url: `+shop.URL+`
  flow:
    - request: GET /v1/products
      capture: {sku: {json: "$.items[*].sku"}}
      think: 1ms
    - request: GET /v1/products/${sku}
  slo: {p99: 1m, failed: 0%}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	// By default a result is void where the generator lags by a millisecond; an example
	// runs on any machine.
	r, err := load.Run(context.Background(), plan, load.Config{MaxLag: time.Minute})
	fmt.Println(r.OK, "of", r.Offered, "visits,", r.Requests, "requests, held:", r.Held(), err)
	// Output: 20 of 20 visits, 40 requests, held: true <nil>
}

// A plan offers anything that can be called, such as a gRPC method, in its steps' place.
func ExampleStep() {
	plan := load.Plan{
		Stages: []load.Stage{{Rate: 500, For: 20 * time.Millisecond}}, Arrivals: load.Constant,
		Flows: []load.Flow{{Steps: []load.Step{{Name: "reserve", Call: func(context.Context, *load.Visitor) (string, error) {
			return "OK", nil // stock.Reserve(ctx, ...)
		}}}}},
	}
	r, err := load.Run(context.Background(), plan, load.Config{MaxLag: time.Minute})
	fmt.Println(r.Steps[0].Step, r.Steps[0].Status, err)
	// Output: reserve map[OK:10] <nil>
}
