package answers

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
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
	whole.Handle("/v1/", New(api, time.Hour))
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

func TestCacheAnswersFromMemoryForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, size := 0, 4
		c := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, calls))
			if r.URL.Path == "/missing" {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = w.Write(make([]byte, size))
		}), time.Second)
		ask := func(method, path, tag string) *http.Response {
			r := httptest.NewRequestWithContext(context.Background(), method, path, nil)
			r.Header.Set("If-None-Match", tag)
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			return w.Result() //nolint:bodyclose // a recorder's
		}
		steps := []struct {
			name, method, path, tag string
			wait                    time.Duration
			status, calls           int
			length                  string
		}{
			{"first", "GET", "/a", "", 0, 200, 1, "4"},
			{"from memory", "GET", "/a", "", 0, 200, 1, "4"},
			{"another query", "GET", "/a?x=1", "", 0, 200, 2, "4"},
			{"not modified", "GET", "/a", `W/"x", "v1"`, 0, 304, 1, ""},
			{"any", "GET", "/a", "*", 0, 304, 1, ""},
			{"modified", "GET", "/a", `"v0"`, 0, 200, 1, "4"},
			{"too old", "GET", "/a", `"v1"`, 2 * time.Second, 200, 3, "4"},
			{"first, with the tag it will have", "GET", "/b", `"v4"`, 0, 304, 4, ""},
			{"not found", "GET", "/missing", "", 0, 404, 5, ""},
			{"not found is not kept", "GET", "/missing", "", 0, 404, 6, ""},
			{"another method", "HEAD", "/a", "", 0, 200, 7, ""},
		}
		last := 0
		for _, s := range steps {
			time.Sleep(s.wait)
			res := ask(s.method, s.path, s.tag)
			if wantCalls := max(last, s.calls); res.StatusCode != s.status || calls != wantCalls || res.Header.Get("Content-Length") != s.length {
				t.Errorf("%s: status %d, %d calls, length %q; want %d, %d, %q", s.name, res.StatusCode, calls, res.Header.Get("Content-Length"), s.status, wantCalls, s.length)
			}
			last = calls
		}
		size = maxKept/2 + 1
		ask("GET", "/large/1", "")
		ask("GET", "/large/2", "")
		if c.size > maxKept || len(c.kept) != 1 {
			t.Errorf("%d answers of %d bytes are kept, the bound is %d bytes", len(c.kept), c.size, maxKept)
		}
	})
}

func FuzzMatches(f *testing.F) {
	f.Add(`W/"a", "b"`, `"b"`)
	f.Add(`*`, `"b"`)
	f.Add(`"a`, ``)
	f.Fuzz(func(t *testing.T, header, tag string) {
		if matches(header, tag) && tag == "" {
			t.Errorf("%q matches no tag at all", header)
		}
		if clean := strings.Map(func(r rune) rune {
			if r == ',' || r <= ' ' || r > '~' {
				return -1
			}
			return r
		}, tag); clean != "" && !matches(header+", "+clean, clean) {
			t.Errorf("%q does not match %q, which it ends with", header, clean)
		}
	})
}

func ExampleNew() {
	made := 0
	api := New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		made++
		fmt.Fprint(w, "a page")
	}), time.Minute)
	for range 3 {
		api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/products", nil))
	}
	fmt.Println(made)
	// Output: 1
}
