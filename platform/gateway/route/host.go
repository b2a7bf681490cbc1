package route

import (
	"net/netip"
	"strings"

	"github.com/musterdev/muster/problem"
)

// maxHost bounds a host: a DNS name has at most 253 characters, an IPv6 literal less.
const maxHost = 255

// CanonicalHost returns the host that a Host header (RFC 9110, 7.2) names: lower
// case, without port and without the dot that ends a complete DNS name. An IPv6
// literal keeps its brackets. "" stays "", as an HTTP/1.0 request has none. The
// error is a *problem.Error, InvalidArgument. A host that is lower case already is
// returned without allocation.
func CanonicalHost(header string) (string, error) {
	if header == "" {
		return "", nil
	}
	host, port, ok := cutPort(header)
	host = strings.TrimSuffix(host, ".")
	emptyLabel := host == "" || host[0] == '.' || strings.HasSuffix(host, ".") || strings.Contains(host, "..")
	if !ok || emptyLabel || len(host) > maxHost || !digits(port) {
		return "", badHost()
	}
	if host[0] == '[' {
		if ip, err := netip.ParseAddr(host[1 : len(host)-1]); err != nil || !ip.Is6() {
			return "", badHost()
		}
	}
	upper := false
	for i := range len(host) {
		c := host[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		case 'A' <= c && c <= 'Z':
			upper = true
		case host[0] == '[' && c != '%': // an address, and no zone of this machine's
		default:
			return "", badHost()
		}
	}
	if upper {
		host = strings.ToLower(host)
	}
	return host, nil
}

// cutPort splits "host:port", "host" and their forms with an IPv6 literal.
func cutPort(s string) (host, port string, ok bool) {
	end := strings.IndexByte(s, ':')
	if s[0] == '[' {
		end = strings.IndexByte(s, ']') + 1
		if end == 0 {
			return "", "", false
		}
	} else if end < 0 {
		end = len(s)
	}
	if end == len(s) {
		return s, "", true
	}
	return s[:end], s[end+1:], s[end] == ':'
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= 5
}

func badHost() error {
	return problem.New(problem.InvalidArgument, "the Host header names no host: it must be a DNS name or an IP address, with or without a port")
}
