package jaeger_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/musterdev/muster/platform/telemetry/jaeger"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// Point Grafana's Jaeger data source, or Jaeger's user interface, at this.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "traces")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	spans, err := store.Open(dir, store.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = spans.Close() }()
	var store signal.Store = spans

	mux := http.NewServeMux()
	mux.Handle("/api/", jaeger.New(jaeger.Config{Store: store}))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/api/services", nil))
	fmt.Print(w.Body)
	// Output: {"data":[],"total":0,"limit":0,"offset":0,"errors":null}
}
