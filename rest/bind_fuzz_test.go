package rest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever is sent, the answer is a success or a problem of 400, and what reached
// the handler keeps to the bounds its type states.
func FuzzBind(f *testing.F) {
	f.Add("lang=de&n=7&u=255&f=0.5&ok=true&tag=x&num=1", `{"name":"tea","lines":[{"sku":"s"}]}`, "k", "c/d")
	f.Add("n=1&n=2&at=2026-01-31T15:04:05Z&ip=::1", `{"name":null}`, "", "")
	f.Add("%zz", `{"ID":"x","name":"a"}`, "\x00", "%2F..")
	a, got := echo[everything](f, http.MethodPost, "/v1/{id}/files/{rest...}")
	f.Fuzz(func(t *testing.T, query, body, key, rest string) {
		*got = everything{}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL = &url.URL{Path: "/v1/the-id/files/" + rest, RawQuery: query}
		r.Header.Set("Content-Type", "application/json")
		r.Header["X-Key"] = []string{key}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusNoContent:
			if got.ID != "the-id" || got.Key != key || got.N < 0 || got.N > 9 || len(got.Tags) > 2 || len([]rune(got.Name)) > 5 || got.Ignored != "" {
				t.Fatalf("%q %q: %+v", query, body, *got)
			}
		case http.StatusBadRequest, http.StatusTemporaryRedirect: // ServeMux cleans paths by a redirect
		default:
			t.Fatalf("%q %q: %d %s", query, body, w.Code, w.Body)
		}
	})
}
