package fields

import (
	"fmt"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// refused says why a field may not be touched; "" when it may.
func refused(name string, request bool) string {
	if !filter.ValidName(name) {
		return fmt.Sprintf("%.60q is not the name of a field", name)
	}
	// Programs like CGI take X_Auth_Subject for X-Auth-Subject.
	switch lower := strings.ReplaceAll(strings.ToLower(name), "_", "-"); lower {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return name + " belongs to one connection, not to what is asked or answered"
	case "content-length", "host", "expect":
		return name + " says how the message is to be read, or for whom it is; routes can rewrite the host"
	case "x-request-id", "traceparent", "tracestate":
		return name + " is the edge's: logs and traces find the request by it"
	case "request-timeout", "grpc-timeout", "forwarded", "muster-caller", "x-muster-mirror":
		if request {
			return name + " is set by the edge, and services believe it"
		}
	default:
		if request && (strings.HasPrefix(lower, "x-forwarded-") || strings.HasPrefix(lower, "x-auth-")) {
			return name + " is set by the edge, and services believe it"
		}
	}
	return ""
}
