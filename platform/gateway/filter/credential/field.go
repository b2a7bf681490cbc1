package credential

import (
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Untouchable reports whether a field is not for a filter to set or to read a credential from:
// it frames the message, belongs to one connection, or is the edge's own.
func Untouchable(name string) bool {
	switch plain := fold(name); plain {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
		"transfer-encoding", "upgrade", "content-length", "host", "expect", "forwarded", "x-request-id", "request-timeout",
		"traceparent", "tracestate", "content-type", "content-encoding", "muster-caller",
		fold(filter.SubjectField), fold(filter.IssuerField), fold(filter.ScopesField), fold(filter.ByField):
		return true
	default:
		return strings.HasPrefix(plain, "x-forwarded-")
	}
}

// Tellable reports whether a field may tell a service something of a request.
func Tellable(name string) bool { return filter.ValidName(name) && !Untouchable(name) }

// fold returns the one spelling of those that are taken for the same.
func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }
