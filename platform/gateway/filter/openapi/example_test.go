package openapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/openapi"
)

func ExampleMake() {
	f, err := openapi.Make(context.Background(), filter.Env{}, json.RawMessage(`{"file": "testdata/shop.yaml"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	h := f.(filter.Middleware).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, target := range []string{"/v1/products?limit=10", "/v1/products?limit=1000"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 400
}
