package dns_test

import (
	"context"
	"fmt"
	"net"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/registry/dns"
)

// A program that knows only DNS finds the instances of a service, host and port.
func ExampleServer_Serve() {
	server := &dns.Server{Lookup: func(service string) ([]discovery.Instance, bool) { // a Registry's Lookup
		return []discovery.Instance{{State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:9000"}}}, service == "cart"
	}}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, udp, nil) }()

	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", udp.LocalAddr().String())
	}}
	_, found, err := resolver.LookupSRV(ctx, "http", "tcp", "cart.muster.")
	if err != nil {
		fmt.Println(err)
		return
	}
	addresses, err := resolver.LookupHost(ctx, found[0].Target)
	fmt.Println(addresses, found[0].Port, err)
	cancel()
	fmt.Println(<-ended)
	// Output:
	// [127.0.0.1] 9000 <nil>
	// <nil>
}
