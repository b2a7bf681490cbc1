package header_test

import (
	"net/url"
	"testing"

	"github.com/musterdev/muster/platform/gateway/header"
)

func TestPercentEncoded(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"plain, with: signs!": "plain, with: signs!",
		"100% of ü\n":         "100%25 of %C3%BC%0A",
		"\x00\x7f\xff":        "%00%7F%FF",
	} {
		if got := header.PercentEncoded(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzPercentEncoded(f *testing.F) {
	f.Add("100% ü\n")
	f.Fuzz(func(t *testing.T, s string) {
		encoded := header.PercentEncoded(s)
		for i := range len(encoded) {
			if encoded[i] < ' ' || encoded[i] > '~' {
				t.Fatalf("%q: %q", s, encoded)
			}
		}
		if back, err := url.PathUnescape(encoded); err != nil || back != s {
			t.Fatalf("%q: %q is read as %q, %v", s, encoded, back, err)
		}
	})
}
