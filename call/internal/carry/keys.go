package carry

import (
	"net/http"
	"strings"
)

// keys are the headers by which net/http itself decides to send a request again.
func keys() [2]string { return [...]string{"Idempotency-Key", "X-Idempotency-Key"} }

// HasKeys reports whether h has one of them.
func HasKeys(h http.Header) bool {
	for _, name := range keys() {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// HideKeys writes those headers in a way it does not look for; to the peer they are the
// same (RFC 9110, 5.1).
func HideKeys(h http.Header) {
	for _, name := range keys() {
		if v, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = v
		}
	}
}
