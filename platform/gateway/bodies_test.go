package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// What works on whole requests and answers works on an edge whose engine hands such
// requests over, and each of them is in the access log with its own status.
func TestBodies(t *testing.T) {
	in, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Etag", `"1"`)
		_, _ = io.Copy(w, r.Body)
		_, _ = io.WriteString(w, strings.Repeat(" ", 2000))
	})
	doc, err := snapshot.Parse([]byte(`{
		"routes": [{"path":"/","service":"a","filters":["contract","small"]}],
		"filters": {"small": {"kind":"compress"}, "contract": {"kind":"openapi","with":{"document":{
			"openapi":"3.1.0","paths":{"/things":{"post":{
				"requestBody":{"content":{"application/json":{"schema":{"type":"object","required":["name"]}}}},"responses":{"200":{"description":"ok"}}}}}}}}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	e := run(t, gateway.Config{Instances: map[string][]string{"a": {in.Endpoints["http"]}}, Table: &doc})
	for _, c := range []struct {
		method, path, body string
		status             int
		packed             bool
	}{
		{"POST", "/things", `{"name":"a"}`, 200, true},
		{"POST", "/things", `{"title":"a"}`, 400, false},
		{"GET", "/things", "", 405, false},
		{"POST", "/others", `{}`, 404, false},
	} {
		res, text := send(t, c.method, e.url+c.path, bytes.NewReader([]byte(c.body)), "Content-Type", "application/json", "Accept-Encoding", "gzip")
		if res.StatusCode != c.status || (res.Header.Get("Content-Encoding") == "gzip") != c.packed {
			t.Errorf("%s %s %s: %d %v %.200s", c.method, c.path, c.body, res.StatusCode, res.Header, text)
		}
		if c.packed && res.Header.Get("Etag") != `W/"1"` {
			t.Errorf("the tag of other bytes is %s", res.Header.Get("Etag"))
		}
		if c.status >= 400 && !json.Valid([]byte(text)) {
			t.Errorf("%.200s is no problem document", text)
		}
	}
}
