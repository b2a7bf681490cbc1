package query_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/musterdev/muster/problem"
)

// Whatever is asked is answered with JSON: what was asked for, or what is wrong with it.
func FuzzParameters(f *testing.F) {
	for _, q := range []string{
		"from=2026-03-01T11:00:00Z&until=1772366400000&limit=5", "service=a&operation=b&min=1ms&max=2s&error=true&root=false&attr=a=b", "severity=warn&q=x&trace=1f",
		"window=5m", "from=-1e400", "attr==", "limit=1e3", "%", ";",
	} {
		f.Add(q)
	}
	a, _ := filled()
	h := a.Handler()
	f.Fuzz(func(t *testing.T, q string) {
		for _, path := range []string{"traces", "points", "logs", "map", "overview", "services"} {
			r := httptest.NewRequest("GET", "/v1/telemetry/"+path, nil)
			r.URL.RawQuery = q
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 200 && (w.Code != 400 || w.Header().Get("Content-Type") != problem.ContentType) || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s?%s: %d %s", path, q, w.Code, w.Body)
			}
		}
	})
}
