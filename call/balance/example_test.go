package balance_test

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/call/balance"
)

func Example() {
	hosts := []string{"10.0.0.1:80", "10.0.0.2:80"}
	endpoints := []*balance.Endpoint{balance.NewEndpoint(hosts[0]), balance.NewEndpoint(hosts[1])}
	now := time.Unix(1e9, 0)
	set := balance.New(balance.Config{})
	set.Replace(now, endpoints)
	for turn := range uint64(4) {
		i := set.All().Pick(now, balance.Call{Turn: turn})
		endpoints[i].Begin()
		// ... call hosts[i] ...
		endpoints[i].End(now, 3*time.Millisecond, balance.OK)
		fmt.Println(hosts[i])
	}
	// Output:
	// 10.0.0.1:80
	// 10.0.0.2:80
	// 10.0.0.1:80
	// 10.0.0.2:80
}

// Calls with one key go to one endpoint, as long as it is well and not crowded.
func ExampleKey() {
	endpoints := []*balance.Endpoint{balance.NewEndpoint("a"), balance.NewEndpoint("b"), balance.NewEndpoint("c")}
	now := time.Unix(1e9, 0)
	set := balance.New(balance.Config{Policy: balance.Hash})
	set.Replace(now, endpoints)
	first := set.All().Pick(now, balance.Call{Turn: 1, Hash: balance.Key("cart 17")})
	again := set.All().Pick(now, balance.Call{Turn: 2, Hash: balance.Key("cart 17")})
	fmt.Println(first == again)
	// Output: true
}
