package catalog

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Telemetry is told the route of an answer, be it made now or kept.
func TestCacheTellsTheRoute(t *testing.T) {
	made := 0
	api := http.NewServeMux()
	api.HandleFunc("GET /v1/products/{id}", func(w http.ResponseWriter, r *http.Request) {
		if made++; r.PathValue("id") == "none" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	whole := http.NewServeMux()
	whole.Handle("/v1/", newCache(api, time.Hour))
	for _, path := range []string{"/v1/products/p-1", "/v1/products/p-1", "/v1/products/none"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		whole.ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != "GET /v1/products/{id}" {
			t.Errorf("%s: the route is %q", path, r.Pattern)
		}
	}
	if made != 2 {
		t.Errorf("%d answers were made, want 2", made)
	}
}
