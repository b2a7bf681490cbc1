package load

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/musterdev/muster/platform/load/value"
)

func wholeURL(path string) bool {
	return strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://")
}

// token reports whether s can name a method or a header (RFC 9110, 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func validHeaders(h map[string]string) error {
	for name, text := range h {
		if !token(name) {
			return fmt.Errorf("%.60q is no name of a header", name)
		}
		if _, err := value.Parse(text); err != nil {
			return fmt.Errorf("header %s: %w", http.CanonicalHeaderKey(name), err)
		}
	}
	return nil
}
