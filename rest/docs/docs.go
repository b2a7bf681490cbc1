// Package docs serves an API's OpenAPI document and the page to browse it.
package docs

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the documentation page
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

// The page is three files for their readers and one for its browser: it loads
// nothing but the document, so it works offline and under a strict policy.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// Page serves the documentation: it reads openapi.json beside itself, shows its
// operations and schemas and sends requests to try them, to where it came from and
// to servers. Its policy names its own style and script by their hashes, so that a
// text from an API's documentation never runs as a script.
func Page(servers ...string) http.Handler {
	html := strings.NewReplacer("/*style*/", pageCSS, "/*script*/", pageJS).Replace(pageHTML)
	connect := []string{"'self'"}
	for _, s := range servers {
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			connect = append(connect, u.Scheme+"://"+u.Host)
		}
	}
	policy := "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; img-src data:; connect-src " + strings.Join(connect, " ") +
		"; style-src " + cspHash(pageCSS) + "; script-src " + cspHash(pageJS)
	return static("text/html; charset=utf-8", policy, []byte(html))
}

// Document serves an OpenAPI document in JSON.
func Document(text []byte) http.Handler { return static("application/json", "", text) }

func cspHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// static serves one text that never changes in this process.
func static(contentType, policy string, body []byte) http.Handler {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			e := problem.New(problem.Unimplemented, "%s is not offered here; there are GET, HEAD", r.Method)
			e.Status = http.StatusMethodNotAllowed
			problem.Write(w, r, e)
			return
		}
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache") // ask again, and be told that nothing changed
		h.Set("X-Content-Type-Options", "nosniff")
		if policy != "" {
			h.Set("Content-Security-Policy", policy)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}
