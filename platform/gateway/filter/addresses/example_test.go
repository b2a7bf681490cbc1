package addresses_test

import (
	"fmt"
	"net/netip"

	"github.com/musterdev/muster/platform/gateway/filter/addresses"
)

// Who asks, behind two proxies of one's own: what the client made up is not believed.
func ExampleClient() {
	proxies := addresses.NewSet(netip.MustParsePrefix("10.0.0.0/8"))
	fmt.Println(addresses.Client(netip.MustParseAddr("10.0.0.1"), []string{"127.0.0.1, 198.51.100.7, 10.0.0.2"}, proxies))
	// Output: 198.51.100.7
}
