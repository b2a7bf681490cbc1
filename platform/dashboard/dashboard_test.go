package dashboard_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/musterdev/muster/platform/dashboard"
)

func ExampleHandler() {
	srv := httptest.NewServer(dashboard.Handler(dashboard.Config{Title: "shop"}))
	defer srv.Close()

	res, err := http.Get(srv.URL + "/traces/4bf92f3577b34da6a3ce929d0e0e4736")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Status, res.Header.Get("Content-Type"))
	// Output: 200 OK text/html; charset=utf-8
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestPaths(t *testing.T) {
	h := dashboard.Handler(dashboard.Config{})
	const browser = "text/html,application/xhtml+xml"
	for _, c := range []struct {
		method, path, accept string
		status               int
		kind                 string
	}{
		{"GET", "/", "", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", "", 200, "text/html; charset=utf-8"},
		{"GET", "/map", browser, 200, "text/html; charset=utf-8"},
		{"GET", "/sagas/orders/checkout/o-1", browser, 200, "text/html; charset=utf-8"},
		{"GET", "/assets/app.js", "*/*", 200, "text/javascript; charset=utf-8"},
		{"GET", "/assets/app.css", "*/*", 200, "text/css; charset=utf-8"},
		{"GET", "/assets/icon.svg", "*/*", 200, "image/svg+xml"},
		{"GET", "/assets/inter-latin-wght-normal.woff2", "*/*", 200, "font/woff2"},
		{"GET", "/assets/index.html", "*/*", 404, "application/problem+json"},
		{"GET", "/assets/../dashboard.go", "*/*", 404, "application/problem+json"},
		{"GET", "/nothing", browser, 404, "text/html; charset=utf-8"},
		{"GET", "/nothing", "application/json", 404, "application/problem+json"},
		{"GET", "/metrics", "", 404, "application/problem+json"}, // Prometheus' address: no page
		{"POST", "/", browser, 405, "application/problem+json"},
	} {
		res := get(t, h, c.method, c.path, "Accept", c.accept)
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, res.StatusCode, res.Header.Get("Content-Type"), c.status, c.kind)
		}
		if res.Header.Get("Content-Security-Policy") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s is served without the headers that keep others out", c.method, c.path)
		}
	}
}

func TestUnchangedIsNotSentAgain(t *testing.T) {
	h := dashboard.Handler(dashboard.Config{})
	for _, encoding := range []string{"", "gzip"} {
		first := get(t, h, "GET", "/assets/app.js", "Accept-Encoding", encoding)
		etag := first.Header.Get("ETag")
		if res := get(t, h, "GET", "/assets/app.js", "Accept-Encoding", encoding, "If-None-Match", "W/"+etag); etag == "" || res.StatusCode != http.StatusNotModified {
			t.Errorf("with encoding %q and ETag %q: %d, want 304", encoding, etag, res.StatusCode)
		}
		if res := get(t, h, "GET", "/assets/app.js", "Accept-Encoding", encoding, "If-None-Match", `"another"`); res.StatusCode != http.StatusOK {
			t.Errorf("another ETag: %d, want 200", res.StatusCode)
		}
	}
}

func TestGzip(t *testing.T) {
	h := dashboard.Handler(dashboard.Config{})
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "br, gzip;q=0.5": "gzip", "*": "gzip", "gzip;q=0": "", "br": "", "gzip; q=0.000": "",
	} {
		res := get(t, h, "GET", "/assets/app.css", "Accept-Encoding", accept)
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: %q, want %q", accept, got, want)
			continue
		}
		body := io.Reader(res.Body)
		if want == "gzip" {
			z, err := gzip.NewReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if text, err := io.ReadAll(body); err != nil || !strings.Contains(string(text), "--accent") {
			t.Errorf("Accept-Encoding %q: the style sheet does not arrive: %v", accept, err)
		}
	}
}

// TestSize keeps what a browser loads small: without fonts less than 250 kB.
func TestSize(t *testing.T) {
	h := dashboard.Handler(dashboard.Config{})
	total := 0
	for _, path := range []string{"/", "/assets/app.js", "/assets/app.css", "/assets/icon.svg"} {
		body, err := io.ReadAll(get(t, h, "GET", path, "Accept-Encoding", "gzip").Body)
		if err != nil {
			t.Fatal(err)
		}
		total += len(body)
	}
	t.Logf("%d bytes", total)
	if total > 250_000 {
		t.Errorf("the application is %d bytes packed, more than 250,000", total)
	}
}

func TestTitleIsText(t *testing.T) {
	files := fstest.MapFS{"index.html": {Data: []byte("<head></head>")}}
	body, err := io.ReadAll(get(t, dashboard.Handler(dashboard.Config{Title: `"><script>`, Files: files}), "GET", "/").Body)
	if err != nil || !strings.Contains(string(body), `content="&#34;&gt;&lt;script&gt;"`) {
		t.Errorf("the title is not escaped: %s %v", body, err)
	}
}

func TestNotBuilt(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"empty": {}, "no page": {"app.js": {}}, "a file of no kind": {"index.html": {}, "app.exe": {}},
	} {
		if res := get(t, dashboard.Handler(dashboard.Config{Files: files}), "GET", "/"); res.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: %d, want 500", name, res.StatusCode)
		}
	}
}

// TestNoMarkupFromData keeps the one way closed in which a service's name or a log's text
// could become markup.
func TestNoMarkupFromData(t *testing.T) {
	n := 0
	err := filepath.WalkDir("web/src", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		text, err := os.ReadFile(path)
		for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"} {
			if strings.Contains(strings.ReplaceAll(string(text), "dangerouslySetInnerHTML", "innerHTML"), word) {
				t.Errorf("%s uses %s: let Preact set texts", path, word)
			}
		}
		return err
	})
	if err != nil || n == 0 {
		t.Errorf("read %d files: %v", n, err)
	}
}
