package projection_test

import (
	"testing"

	"github.com/musterdev/muster/data/projection"
)

// What is a token is one again after it was written and read.
func FuzzParseToken(f *testing.F) {
	for _, s := range []string{"/tills a-1", "", " ", "/tills", "urn:x 1 2", "/t \x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		token, err := projection.ParseToken(s)
		if err != nil {
			return
		}
		if token.String() != s {
			t.Errorf("%q becomes %q", s, token)
		}
		if token.Source == "" || token.ID == "" {
			t.Errorf("%q has an empty part: %+v", s, token)
		}
	})
}
