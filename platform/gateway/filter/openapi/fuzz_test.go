package openapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/openapi"
)

// No document makes the filter panic, and none is taken that then cannot judge.
func FuzzDocument(f *testing.F) {
	shop, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shop))
	f.Add(`{"openapi":"3.0.0","paths":{"/a/{b}":{"get":{"parameters":[{"name":"b","in":"path","schema":{"$ref":"#/components/schemas/A"}}]}}},"components":{"schemas":{"A":{"allOf":[{"$ref":"#/components/schemas/A"}]}}}}`)
	f.Fuzz(func(t *testing.T, doc string) {
		text, err := json.Marshal(doc)
		if err != nil || !json.Valid([]byte(doc)) && !strings.HasPrefix(doc, "openapi:") {
			return
		}
		path := t.TempDir() + "/doc"
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		made, err := openapi.Make(context.Background(), filter.Env{}, json.RawMessage(`{"file":`+quoted(path)+`}`))
		if err != nil {
			return
		}
		defer func() { _ = made.(filter.Closer).Close() }()                                               //nolint:forcetypeassert // it is one
		h := made.(filter.Middleware).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) //nolint:forcetypeassert // it is one
		for _, target := range []string{"/v1/products?limit=1", "/a/b"} {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, strings.NewReader(string(text))))
		}
	})
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
