package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
)

// A reason that cannot be kept is a mistake of the command line, said once.
func TestSagaReason(t *testing.T) {
	for name, why := range map[string]string{"empty": "", "spaces": "  ", "too long": strings.Repeat("x", 1001)} {
		for _, verb := range []string{"retry", "skip", "compensate"} {
			var out, err bytes.Buffer
			status := run(t.Context(), []string{"saga", verb, "checkout/o-1", "--by=me", "--why=" + why, "-C", t.TempDir()}, terminal.Terminal{In: strings.NewReader(""), Out: &out, Err: &err})
			if status != exitUsage || !strings.HasPrefix(err.String(), "error: --why must have 1 to 1000 bytes") || strings.Count(err.String(), "\n") != 1 {
				t.Errorf("%s, %s: status %d, %s", name, verb, status, &err)
			}
		}
	}
}
