package connect_test

import (
	"fmt"

	"github.com/musterdev/muster/platform/fleet/connect"
	"github.com/musterdev/muster/strictyaml"
)

func ExampleRead() {
	var errs strictyaml.Collector
	n := strictyaml.Parse("muster.yaml", []byte(`
8443: {sni: {a.example: web, "*.b.example": api.grpc}, to: web, idle: 10m}
5433: db
`), &errs)
	ports, uses, ok := connect.Read(n)
	for _, p := range ports {
		fmt.Println(p.Port, p.To, p.Names["*.b.example"], p.Idle)
	}
	fmt.Println(ok, len(uses), errs.Err())

	_, _, ok = connect.Read(strictyaml.Parse("muster.yaml", []byte(`54x3: db`), &errs))
	fmt.Println(ok, errs.Err())
	// Output:
	// 5433 db  0s
	// 8443 web api.grpc 10m0s
	// true 4 <nil>
	// false muster.yaml:1:1: "54x3" is no port; write a number from 1 to 65535
}
