package draw_test

import (
	"fmt"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/graph/draw"
)

func ExampleText() {
	fmt.Print(draw.Text(graph.Map{
		Nodes: []graph.Node{
			{Name: "cart", Kind: "service", In: 1, Rate: 12, P50: 2, P99: 8.5},
			{Name: "orders", Kind: "service", Out: 1},
		},
		Edges: []graph.Edge{{From: "orders", To: "cart", Kind: "call", Labels: []string{"GET /v1/carts/{id}"}, Rate: 12, P50: 3, P99: 9}},
	}))
	// Output:
	// NODE    KIND     IN  OUT  RATE  ERRORS  P50  P99
	// cart    service  1   0    12/s  0%      2ms  8.5ms
	// orders  service  0   1    -     -       -    -
	//
	// FROM    TO    KIND  RATE  ERRORS  P50  P99  WHAT
	// orders  cart  call  12/s  0%      3ms  9ms  GET /v1/carts/{id}
}

func ExampleLayout() {
	placed := draw.Layout(graph.Map{
		Nodes: []graph.Node{{Name: "cart"}, {Name: "orders"}},
		Edges: []graph.Edge{{From: "orders", To: "cart"}},
	})
	for _, n := range placed.Nodes {
		fmt.Println(n.Name, n.X, n.Y)
	}
	// Output:
	// cart 408 51
	// orders 112 51
}
