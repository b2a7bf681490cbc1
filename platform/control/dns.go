package control

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/registry"
	"github.com/musterdev/muster/platform/registry/dns"
)

// serveDNS answers DNS queries for the services that the registry knows; port 0 means
// nobody asked for it.
func serveDNS(ctx context.Context, port int, app *muster.App, reg *registry.Registry) error {
	if port == 0 {
		return nil
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	var listen net.ListenConfig
	udp, err := listen.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return fmt.Errorf("DNS: %w: choose another port by control.dns", err)
	}
	tcp, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		_ = udp.Close() // there is one error to tell
		return fmt.Errorf("DNS: %w: choose another port by control.dns", err)
	}
	app.Go("DNS", func(ctx context.Context) error {
		return (&dns.Server{Lookup: reg.Lookup, Log: app.Log()}).Serve(ctx, udp, tcp)
	})
	return nil
}
