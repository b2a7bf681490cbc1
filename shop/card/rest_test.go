package card

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterdev/muster/problem"
)

func TestREST(t *testing.T) {
	each(t, Config{}, func(t *testing.T, replica func() (*processor, *told)) {
		p, _ := replica()
		api := routes(p, slog.New(slog.DiscardHandler))
		if err := api.Err(); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			path, key, body string
			status          int
			want            string
		}{
			{"/v1/charges", "k", `{"reference":"o-1","cents":500}`, http.StatusCreated, `"state":"captured"`},
			{"/v1/charges", "k", `{"reference":"o-1","cents":500}`, http.StatusCreated, `"cents":500`},
			{"/v1/charges", "k", `{"cents":500,"reference":"o-1"}`, http.StatusCreated, `"id":"ch-`},
			{"/v1/charges", "k", `{"reference":"o-1","cents":501}`, http.StatusUnprocessableEntity, "another charge"},
			{"/v1/charges", "", `{"reference":"o-1","cents":500}`, http.StatusBadRequest, "Idempotency-Key"},
			{"/v1/charges", strings.Repeat("k", 256), `{"reference":"o-1","cents":500}`, http.StatusBadRequest, "Idempotency-Key"},
			{"/v1/charges", "k-2", `{"reference":"o-1","cents":0}`, http.StatusBadRequest, "cents"},
			{"/v1/charges", "k-2", `{"reference":"","cents":1}`, http.StatusBadRequest, "reference"},
			{"/v1/charges", "k-2", `{"reference":"o-1","cents":1,"tip":1}`, http.StatusBadRequest, "tip"},
			{"/v1/refunds", "k", `{"reference":"o-2"}`, http.StatusConflict, "nothing was captured"},
			{"/v1/refunds", "k-3", `{"reference":"o-1"}`, http.StatusCreated, `"state":"refunded"`},
			{"/v1/refunds", "", `{"reference":"o-1"}`, http.StatusBadRequest, "Idempotency-Key"},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			if c.key != "" {
				r.Header.Set("Idempotency-Key", c.key)
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || w.Code >= 400 && w.Header().Get("Content-Type") != problem.ContentType {
				t.Errorf("%s %q %s: %d %s; want %d and %q", c.path, c.key, c.body, w.Code, w.Body, c.status, c.want)
			}
		}
		want(t, p, `(SELECT SUM(cents) FROM charges)`, 500)
	})
}
