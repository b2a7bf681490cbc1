package observe

import "net/http"

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
		return v[0]
	}
	return ""
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
