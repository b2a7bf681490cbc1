package tree_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// An edge calls orders, and orders asks its database twice.
func ExampleBuild() {
	ms := int64(time.Millisecond)
	t := tree.Build([]signal.Span{
		{ID: [8]byte{1}, Service: "edge", Name: "POST /v1/orders", Kind: signal.Server, Start: 0, Duration: 50 * ms},
		{ID: [8]byte{2}, Parent: [8]byte{1}, Service: "edge", Name: "POST", Kind: signal.Client, Start: 1 * ms, Duration: 48 * ms},
		{ID: [8]byte{3}, Parent: [8]byte{2}, Service: "orders", Name: "POST /v1/orders", Kind: signal.Server, Start: 2 * ms, Duration: 46 * ms},
		{ID: [8]byte{4}, Parent: [8]byte{3}, Service: "orders", Name: "SELECT", Kind: signal.Client, Start: 4 * ms, Duration: 40 * ms},
		{ID: [8]byte{5}, Parent: [8]byte{3}, Service: "orders", Name: "INSERT", Kind: signal.Client, Start: 45 * ms, Duration: 2 * ms},
	})
	for _, n := range t.Nodes {
		fmt.Printf("%s%s %s: own %v\n", strings.Repeat("  ", n.Depth), n.Service, n.Name, time.Duration(n.Own))
	}
	for _, p := range t.Critical {
		fmt.Printf("%v-%v %s\n", time.Duration(p.From), time.Duration(p.Until), p.Node.Name)
	}
	// Output:
	// edge POST /v1/orders: own 2ms
	//   edge POST: own 2ms
	//     orders POST /v1/orders: own 4ms
	//       orders SELECT: own 40ms
	//       orders INSERT: own 2ms
	// 0s-1ms POST /v1/orders
	// 1ms-2ms POST
	// 2ms-4ms POST /v1/orders
	// 4ms-44ms SELECT
	// 44ms-45ms POST /v1/orders
	// 45ms-47ms INSERT
	// 47ms-48ms POST /v1/orders
	// 48ms-49ms POST
	// 49ms-50ms POST /v1/orders
}
