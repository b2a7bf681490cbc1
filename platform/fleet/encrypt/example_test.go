package encrypt_test

import (
	"fmt"

	"github.com/musterdev/muster/platform/fleet/encrypt"
	"github.com/musterdev/muster/platform/fleet/route"
	"github.com/musterdev/muster/strictyaml"
)

func ExampleRead() {
	var errs strictyaml.Collector
	t, ok := encrypt.Read(strictyaml.Parse("muster.yaml", []byte(`{local: ["*.shop.test"], least: "1.3"}`), &errs))
	fmt.Println(t.Port, t.Local, t.Hosts, t.Least, ok)

	_, ok = encrypt.Read(strictyaml.Parse("muster.yaml", []byte(`{automatic: "*.shop.example"}`), &errs))
	fmt.Println(ok, errs.Err())
	// Output:
	// 8443 true [*.shop.test] 1.3 true
	// false muster.yaml:1:13: "*.shop.example" has a wildcard, which cannot be ordered without DNS; name the hosts, or keep such a certificate in files
}

func ExampleTLS_Check() {
	var errs strictyaml.Collector
	var routes []route.Route
	for _, n := range strictyaml.Parse("muster.yaml", []byte(`["*.shop.example/", "*.eu.shop.example/"]`), &errs).OneOrMore() {
		r, _, _ := route.Read(n, "web")
		routes = append(routes, r)
	}
	t := encrypt.TLS{Automatic: &encrypt.Automatic{Hosts: []string{"api.shop.example"}}}
	t.Check(routes, &errs)
	fmt.Println(errs.Err())
	// Output:
	// muster.yaml:1:21: route "*.eu.shop.example/" has no certificate: one for a wildcard cannot be ordered without DNS; name hosts below eu.shop.example in "edge.tls.automatic", or give "files"
}
