package docs

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/docs", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPageStandsAlone(t *testing.T) {
	body := get(t, Page()).Body.String()
	for _, bad := range []string{"http://", "https://", "src=", "@import", "url(", "/*script*/", "/*style*/"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q: it must load nothing", bad)
		}
	}
	for _, want := range []string{"<!doctype html>", "openapi.json", "prefers-color-scheme: dark", "</html>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// No text of a document may become markup, and the policy would not run it.
func TestPageNeverReadsTextAsHTML(t *testing.T) {
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "javascript:"} {
		if strings.Contains(pageJS, bad) {
			t.Errorf("the script has %q", bad)
		}
	}
	if strings.Contains(pageJS, "</script") || strings.Contains(pageCSS, "</style") {
		t.Error("a file ends its own element")
	}
}

func TestPolicyNamesWhatThePageHas(t *testing.T) {
	w := get(t, Page("https://api.example.com/v1", "/relative", "://bad"))
	policy := w.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "connect-src 'self' https://api.example.com;", "frame-ancestors 'self'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %q: %s", part, policy)
		}
	}
	for _, element := range []string{"style", "script"} {
		m := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(w.Body.String())
		if m == nil {
			t.Fatalf("no %s", element)
		}
		sum := sha256.Sum256([]byte(m[1]))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s", want)
		}
	}
	if n := strings.Count(w.Body.String(), "style="); n > 0 {
		t.Errorf("%d style attributes, which the policy forbids", n)
	}
}

func TestStaticAnswersAreRevalidated(t *testing.T) {
	h := Document([]byte(`{"openapi":"3.1.1"}`))
	first := get(t, h)
	tag := first.Header().Get("ETag")
	if first.Code != 200 || tag == "" || first.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", first.Code, first.Header())
	}
	if again := get(t, h, "If-None-Match", tag); again.Code != 304 || again.Body.Len() > 0 {
		t.Errorf("%d %s", again.Code, again.Body)
	}
}
