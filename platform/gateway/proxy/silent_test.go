package proxy_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/platform/gateway/proxy"
)

// An instance that says nothing within AnswerTimeout is at fault, not the client: the
// service's breaker opens by it.
func TestSilenceOpensTheBreaker(t *testing.T) {
	silent := serve(t, "a-1", "a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	e := newEdge(t, everything("a"), func(_ *call.Config, cfg *proxy.Config) { cfg.AnswerTimeout = 300 * time.Millisecond }, silent)
	e.fleet.View("a").SetSettings([]byte(`{"breaker":{"min_calls":3,"open":"1h"}}`))
	c := client(t, false)
	for i, want := range []int{504, 504, 504, 503} {
		if res, text := must(t, c, http.MethodPost, e.url+"/x", nil); res.StatusCode != want {
			t.Errorf("request %d: %d %s, want %d", i, res.StatusCode, text, want)
		}
	}
}
