package probe_test

import (
	"fmt"

	"github.com/musterdev/muster/platform/fleet/probe"
	"github.com/musterdev/muster/strictyaml"
)

func ExampleProbe_Read() {
	for _, text := range []string{"tcp", "{check: /ready, failures: 5}", "{within: 1m}"} {
		var errs strictyaml.Collector
		p := probe.DefaultReady()
		p.Read(strictyaml.Parse("muster.yaml", []byte(text), &errs), true)
		fmt.Println(p.Kind, p.Path, p.Within, p.Failures, p.Assumed, errs.Err())
	}
	// Output:
	// tcp  30s 3 false <nil>
	// http /ready 30s 5 false <nil>
	// http /readyz 1m0s 3 true <nil>
}
