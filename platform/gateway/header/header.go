// Package header knows the fields of messages that a proxy does not pass on, whichever engine
// read them, and those of a change of protocols.
package header

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/mirror"
)

// Fields that concern one connection only (RFC 9110, 7.6.1).
var hopByHop = listed("Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade")

// Fields that are only believed of a proxy, besides those that begin with X-Forwarded-: who
// the client is, how it came here, what the path was, who asks; or of nobody: Proxy becomes
// HTTP_PROXY, the variable, in a CGI program (CVE-2016-5385).
var untrusted = listed("Forwarded", "X-Real-Ip", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
	"Front-End-Https", "X-Url-Scheme", "X-Original-Url", "X-Rewrite-Url", "X-Request-Id", "Proxy", discovery.CallerHeader,
	filter.SubjectField, filter.IssuerField, filter.ScopesField, filter.ByField, mirror.Header)

// fieldList are names of fields by their length.
type fieldList [24][]string

func listed(names ...string) (l fieldList) {
	for _, n := range names {
		l[len(n)] = append(l[len(n)], n)
	}
	return l
}

// has reports whether a name is listed, in any spelling that a program may take for it.
func (l *fieldList) has(name string) bool {
	if len(name) >= len(l) {
		return false
	}
	for _, n := range l[len(name)] {
		if filter.SameField(n, name) {
			return true
		}
	}
	return false
}

// HopByHop reports whether a field concerns one connection only, and so is not passed on
// either way. What a Connection field names is not either.
func HopByHop(name string) bool { return hopByHop.has(name) }

// Untrusted reports whether a field of a client is not believed, and so dropped, in each
// spelling that a CGI-like program takes for the same.
func Untrusted(name string) bool {
	const forwarded = "X-Forwarded-"
	return untrusted.has(name) || len(name) > len(forwarded) && filter.SameField(name[:len(forwarded)], forwarded)
}

// Disguised reports whether a program may take a field for Content-Length that is none.
func Disguised(name string) bool {
	const length = "Content-Length"
	return len(name) == len(length) && name[len("Content")] == '_' && filter.SameField(name, length)
}

// Named reports whether a Connection field lists the name. There is seldom one, and
// then of one or two names.
func Named(connection []string, name string) bool {
	for _, v := range connection {
		for token := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(textproto.TrimString(token), name) {
				return true
			}
		}
	}
	return false
}

// Upgrades returns the protocols a header would switch to, or has switched to, as they
// are spelled there (RFC 9110, 7.8).
func Upgrades(h http.Header) (protocols []string) {
	if len(h["Connection"]) == 0 || !Named(h["Connection"], "upgrade") {
		return nil
	}
	for _, v := range h["Upgrade"] {
		for token := range strings.SplitSeq(v, ",") {
			if token = textproto.TrimString(token); token != "" {
				protocols = append(protocols, token)
			}
		}
	}
	return protocols
}

// IsHTTP2 reports whether a protocol is HTTP/2 (h2c). It is not passed on: behind it
// requests would reach an instance unseen.
func IsHTTP2(protocol string) bool {
	name, _, _ := strings.Cut(protocol, "/")
	return strings.EqualFold(name, "h2c")
}

// Among reports whether all of the chosen were offered, and one was chosen at least.
func Among(offered, chosen []string) bool {
	for _, c := range chosen {
		if !slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, c) }) {
			return false
		}
	}
	return len(chosen) > 0
}

// Cookie returns the value of a cookie, "" when there is none.
func Cookie(fields filter.Fields, name string) (value string) {
	fields.Each(func(field, line string) bool {
		if !strings.EqualFold(field, "Cookie") {
			return true
		}
		for pair := range strings.SplitSeq(line, ";") {
			if key, v, _ := strings.Cut(strings.TrimSpace(pair), "="); key == name {
				value = v
				return false
			}
		}
		return true
	})
	return value
}

// PercentEncoded writes a status message as the gRPC protocol wants it: printable
// ASCII but "%" as it is, other bytes encoded.
func PercentEncoded(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
