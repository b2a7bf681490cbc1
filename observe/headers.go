package observe

import (
	"net/http"
	"strings"
)

// headers has a propagator read and write HTTP headers. It knows the canonical form of the
// names that there are, which making anew for each request costs.
type headers http.Header

func canonical(key string) string {
	switch key {
	case "traceparent":
		return "Traceparent"
	case "tracestate":
		return "Tracestate"
	case "baggage":
		return "Baggage"
	}
	return http.CanonicalHeaderKey(key)
}

func (h headers) Get(key string) string {
	if v := h[canonical(key)]; len(v) > 0 {
		return bounded(key, v[0])
	}
	return ""
}

// maxState is how much of a tracestate goes on: what every vendor passes on (W3C Trace
// Context, 3.3.1.5). Each span has it, and each call.
const maxState = 512

// bounded returns a field of a trace context without the last entries of a tracestate that
// is too long: those that were not touched for longest.
func bounded(key, value string) string {
	if key != "tracestate" || len(value) <= maxState {
		return value
	}
	i := strings.LastIndexByte(value[:maxState+1], ',')
	return strings.Clone(value[:max(i, 0)])
}

func (h headers) Values(key string) []string { return h[canonical(key)] }

func (h headers) Set(key, value string) { h[canonical(key)] = []string{value} }

func (h headers) Keys() []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	return keys
}
