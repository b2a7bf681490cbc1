package desync_test

import (
	"testing"

	"github.com/musterdev/muster/platform/gateway/http1/desync"
)

// behinds are what stands behind the edge; the recorder stands behind that.
var behinds = []struct {
	name  string
	start func(t *testing.T, to string) string
}{
	{"net/http", func(_ *testing.T, to string) string { return to }},
	{"nginx", startNginx},
	{"HAProxy", startHAProxy},
}

// Each message of the corpus is refused, with the connection closed, or what stands behind the
// edge sees the same requests as the edge.
func TestNothingIsSmuggled(t *testing.T) {
	for _, behind := range behinds {
		t.Run(behind.name, func(t *testing.T) {
			r := record(t)
			g := start(t, behind.start(t, r.addr), r)
			corpus := desync.Requests()
			for _, m := range corpus {
				t.Run(m.Name, func(t *testing.T) {
					if what := g.try([]byte(m.Bytes)); what != "" {
						t.Errorf("%.400q: %s", m.Bytes, what)
					}
				})
			}
			t.Logf("%d messages, %d answers, %d requests passed on", len(corpus), g.answers, g.passed)
		})
	}
}
