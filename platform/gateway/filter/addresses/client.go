package addresses

import (
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many hops of an X-Forwarded-For are looked at.
const maxHops = 64

// Client returns who sent a request, as far as it may be believed: peer is who connected,
// forwarded are the values of X-Forwarded-For in their order, to the right of which each
// proxy wrote who had asked it. Only what trusted proxies wrote is believed, so it is the
// rightmost hop that is not one of them, or the leftmost when all are. From a hop on that
// is no address nothing is believed.
func Client(peer netip.Addr, forwarded []string, trusted *Set) netip.Addr {
	client := peer.Unmap()
	hops := 0
	for _, value := range slices.Backward(forwarded) {
		for rest, more := value, true; more; {
			if !trusted.Has(client) || hops == maxHops {
				return client
			}
			hops++
			var hop string
			if i := strings.LastIndexByte(rest, ','); i >= 0 {
				rest, hop = rest[:i], rest[i+1:]
			} else {
				rest, hop, more = "", rest, false
			}
			before, ok := parseHop(strings.Trim(hop, " \t"))
			if !ok {
				return client
			}
			client = before
		}
	}
	return client
}

// parseHop reads an address, with a port or without.
func parseHop(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			if a, err := netip.ParseAddr(inner); err == nil && a.Is6() {
				return a.Unmap().WithZone(""), true
			}
		}
	}
	return netip.Addr{}, false
}
