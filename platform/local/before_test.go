package local_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/platform/local"
)

// What stands before the registry sees what everybody asks it, each by its name.
func TestBeforeTheRegistry(t *testing.T) {
	dir := t.TempDir()
	text := "fleet: f\nservices: {web: {run: SERVE, route: /web}}\n"
	var mu sync.Mutex
	asked := map[string]bool{}
	before := func(registry http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked[r.Header.Get("Muster-Caller")+" "+r.Method+" "+r.URL.Path] = true
			mu.Unlock()
			w.Header().Set("Passed-By", "the test")
			registry.ServeHTTP(w, r)
		})
	}
	if _, err := local.Start(t.Context(), local.Config{Fleet: load(t, dir, text), Before: before}); err == nil || !strings.Contains(err.Error(), "Before wants Single") {
		t.Fatalf("in another process: %v", err)
	}
	up, err := local.Start(t.Context(), local.Config{Fleet: load(t, dir, text), Single: true, Before: before})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := up.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for url, header := range map[string]string{up.ControlURL + "/v1/services": "the test", up.EdgeURL + "/web": ""} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close() // nothing of it is wanted
		if res.StatusCode != http.StatusOK || res.Header.Get("Passed-By") != header {
			t.Errorf("%s: %s, passed by %q", url, res.Status, res.Header.Get("Passed-By"))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !asked["edge GET /v1/watch"] || !asked[" PUT /v1/instances/web-1"] {
		t.Errorf("asked %v", asked)
	}
}
