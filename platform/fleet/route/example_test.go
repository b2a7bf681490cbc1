package route_test

import (
	"fmt"

	"github.com/musterdev/muster/platform/fleet/route"
	"github.com/musterdev/muster/strictyaml"
)

func ExampleRead() {
	var errs strictyaml.Collector
	n := strictyaml.Parse("muster.yaml", []byte(`{path: api.example/v1, versions: {v2: 10, v1: 90}}`), &errs)
	r, at, ok := route.Read(n, "catalog")
	fmt.Println(r, r.Versions, at.Place, ok)
	fmt.Println(r.Match("api.example", "/v1/products"), r.Match("api.example", "/v10"), r.Match("other.example", "/v1"))

	_, _, ok = route.Read(strictyaml.Parse("muster.yaml", []byte(`{path: /v1, versions: {v1: 90}}`), &errs), "catalog")
	fmt.Println(ok, errs.Err())
	// Output:
	// api.example/v1 [{v1 90} {v2 10}] muster.yaml:1:8 true
	// true false false
	// true muster.yaml:1:23: the versions add up to 90 percent; make it 100
}
