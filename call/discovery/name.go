package discovery

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/problem"
)

// Bounds of an instance's fields.
const (
	MaxIDLen     = 128  // bytes of an instance's id
	MaxTextLen   = 128  // bytes of a version, a zone or a holder
	MaxEndpoints = 16   // endpoints of one instance
	MaxMeta      = 64   // entries of Meta
	MaxWeight    = 1000 // the greatest weight
)

// ValidName reports whether s can name a service: a DNS label (RFC 1035, 2.3.1) of
// lower-case letters, digits and hyphens that begins with a letter, does not end
// with a hyphen and has at most 63 bytes.
func ValidName(s string) bool {
	if s == "" || len(s) > 63 || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '-' {
		return false
	}
	return consistsOf(s, "-")
}

// ValidID reports whether s can be the id of an instance: at most MaxIDLen letters,
// digits, '.', '_', '~', ':' and '-', the first a letter or a digit. So it stands in
// the path of a URL as it is.
func ValidID(s string) bool {
	if s == "" || len(s) > MaxIDLen || strings.ContainsRune("._~:-", rune(s[0])) {
		return false
	}
	return consistsOf(strings.ToLower(s), "._~:-")
}

// consistsOf reports whether s has only lower-case letters, digits and the others.
func consistsOf(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// Validate returns nil, or an InvalidArgument *problem.Error that names every field
// a registry would refuse.
func (in Instance) Validate() error {
	e := problem.New(problem.InvalidArgument, "the instance cannot be registered")
	check := func(ok bool, field, reason string) {
		if !ok {
			e = e.WithField(field, reason)
		}
	}
	check(ValidID(in.ID), "id", fmt.Sprintf("must be 1 to %d letters, digits, '.', '_', '~', ':' or '-', the first a letter or digit", MaxIDLen))
	check(ValidName(in.Service), "service", "must be a DNS label: a-z, 0-9 and '-', at most 63, beginning with a letter")
	check(in.State.valid(), "state", `must be "starting", "ready" or "draining"`)
	check(in.Weight >= 0 && in.Weight <= MaxWeight, "weight", fmt.Sprintf("must be from 0 to %d; 0 means %d", MaxWeight, DefaultWeight))
	for field, text := range map[string]string{"version": in.Version, "zone": in.Zone, "holder": in.Holder} {
		check(len(text) <= MaxTextLen, field, fmt.Sprintf("must have at most %d bytes", MaxTextLen))
	}
	check(len(in.Endpoints) <= MaxEndpoints, "endpoints", fmt.Sprintf("must be at most %d", MaxEndpoints))
	for name, addr := range in.Endpoints {
		if !ValidName(name) {
			check(false, "endpoints", fmt.Sprintf("the name %.80q must be a DNS label such as %q", name, HTTP))
		} else if reason := badAddr(addr); reason != "" {
			check(false, "endpoints."+name, reason)
		}
	}
	check(len(in.Meta) <= MaxMeta, "meta", fmt.Sprintf("must have at most %d entries", MaxMeta))
	if len(e.Details) == 0 {
		return nil
	}
	slices.SortFunc(e.Details, func(a, b problem.Detail) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason, b.Reason))
	})
	return e
}

func (s State) valid() bool { return s == Starting || s == Ready || s == Draining }

// badAddr says what is wrong with the address of an endpoint; "" is nothing.
func badAddr(addr string) string {
	const want = "must be host:port, such as 127.0.0.1:9000"
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || len(host) > 255 || !consistsOf(strings.ToLower(host), ".-_:%") {
		return want
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return want + ", with a port from 1 to 65535"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return "must be an address others can reach; " + host + " only says where to listen"
	}
	return ""
}
