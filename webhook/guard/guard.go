// Package guard dials only addresses of the public Internet: for requests to URLs that
// somebody else chose, who might choose one inside of the own network (server-side
// request forgery).
//
// The address is judged when the connection is made, after the name was looked up, so
// that a name which points somewhere else by then gains nothing (DNS rebinding).
package guard

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/musterdev/muster/problem"
)

// ErrRefused is what errors.Is finds in the error of a dial to an address that is not
// public: permission_denied.
var ErrRefused error = problem.New(problem.PermissionDenied, "the address is not one of the public Internet")

// Guard says where may be dialed. Its zero value allows what is public. It is a value
// without state, safe for concurrent use.
type Guard struct {
	Allow    []netip.Prefix // allowed besides, such as 127.0.0.0/8 in tests
	Resolver *net.Resolver  // nil: the system's
}

// connect bounds how long a connection may take to be made.
const connect = 5 * time.Second

// DialContext dials as net.Dialer does, within 5 s, for http.Transport. An address that
// may not be dialed gets no packet: the error is [ErrRefused].
func (g Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		Timeout: connect, Resolver: g.Resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("guard: %w", err)
			}
			return g.Check(to.Addr())
		},
	}
	return d.DialContext(ctx, network, address)
}

// Check returns [ErrRefused] for an address that may not be dialed.
func (g Guard) Check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(a) {
			return nil
		}
	}
	if !a.IsValid() {
		return fmt.Errorf("guard: no address: %w", ErrRefused)
	}
	for _, p := range inside() {
		if p.Contains(a) {
			return fmt.Errorf("guard: %s is of %s: %w", a, p, ErrRefused)
		}
	}
	return nil
}

// inside are the ranges that are not of the public Internet, or lead back into others
// (IANA's registries of special-purpose addresses, RFC 6890).
func inside() []netip.Prefix {
	texts := [...]string{
		"168.63.129.16/32", // public by its number: what Azure tells each of its machines
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/16",        // unspecified, loopback, and IPv4 written in the old way
		"64:ff9b::/96", // NAT64: an IPv4 address of any kind is inside
		"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
		"2002::/16", // 6to4, as NAT64
		"3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	}
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}
