package proxy

import (
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
)

// hopByHop reports whether a field concerns one connection only (RFC 9110, 7.6.1).
// name is in canonical form, as net/http has it.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// untrusted reports whether a field is only believed of a proxy: who the client is,
// how it came here, what the path was; or of nobody: Proxy becomes HTTP_PROXY, the
// variable, in a CGI program (CVE-2016-5385). From outside it is dropped, in each spelling
// that a CGI-like program takes for the same.
func untrusted(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		name = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
	}
	if strings.HasPrefix(name, "X-Forwarded-") {
		return true
	}
	switch name {
	case "Forwarded", "X-Real-Ip", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
		"Front-End-Https", "X-Url-Scheme", "X-Original-Url", "X-Rewrite-Url", "X-Request-Id", "Proxy", discovery.CallerHeader:
		return true
	}
	return false
}

// named reports whether a Connection field lists the name. There is seldom one, and
// then of one or two names.
func named(connection []string, name string) bool {
	for _, v := range connection {
		for token := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(textproto.TrimString(token), name) {
				return true
			}
		}
	}
	return false
}

// outbound returns the header that goes to the instance. Its values are shared with
// the request's.
func (t *transit) outbound() http.Header {
	in := t.in.Header
	connection := in["Connection"]
	out := make(http.Header, len(in)+7)
	for name, values := range in {
		if hopByHop(name) || !t.inside && untrusted(name) || connection != nil && named(connection, name) {
			continue
		}
		out[name] = values
	}
	if named(in["Te"], "trailers") {
		out["Te"] = []string{"trailers"} // gRPC asks for it
	}
	if len(t.switches) > 0 {
		out["Connection"], out["Upgrade"] = []string{"Upgrade"}, []string{strings.Join(t.switches, ", ")}
	}
	if t.grpc {
		delete(out, call.DeadlineHeader) // it has grpc-timeout
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = []string{""} // net/http would name itself
	}
	out[observe.RequestIDHeader] = []string{t.RequestID}
	if t.inside {
		return out
	}
	if ip, _, err := net.SplitHostPort(t.in.RemoteAddr); err == nil {
		out["X-Forwarded-For"] = []string{ip}
	}
	proto := "http"
	if t.in.TLS != nil {
		proto = "https"
	}
	out["X-Forwarded-Proto"] = []string{proto}
	out["X-Forwarded-Host"] = []string{t.in.Host}
	out[discovery.CallerHeader] = []string{t.gateway.cfg.Name}
	return out
}

// inbound copies an answer's header into that of the client's.
func inbound(to, from http.Header) {
	connection := from["Connection"]
	for name, values := range from {
		if hopByHop(name) || name == observe.RequestIDHeader || connection != nil && named(connection, name) {
			continue
		}
		to[name] = values
	}
}

// upgrades returns the protocols a header would switch to, or has switched to, as they
// are spelled there (RFC 9110, 7.8).
func upgrades(h http.Header) (protocols []string) {
	if len(h["Connection"]) == 0 || !named(h["Connection"], "upgrade") {
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

// isHTTP2 reports whether a protocol is HTTP/2 (h2c). It is not passed on: behind it
// requests would reach an instance unseen.
func isHTTP2(protocol string) bool {
	name, _, _ := strings.Cut(protocol, "/")
	return strings.EqualFold(name, "h2c")
}

// among reports whether all of the chosen were offered, and one was chosen at least.
func among(offered, chosen []string) bool {
	for _, c := range chosen {
		if !slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, c) }) {
			return false
		}
	}
	return len(chosen) > 0
}
