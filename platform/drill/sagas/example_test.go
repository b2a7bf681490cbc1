package sagas_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/musterdev/muster/platform/drill/sagas"
)

// A check is what a team knows of its own tables; here it is asked of a page behind the edge.
func ExampleParseCheck() {
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = fmt.Fprint(w, `{"status": 409, "code": "conflict", "detail": "order 7 was paid twice"}`)
	}))
	defer edge.Close()
	check, err := sagas.ParseCheck("GET /check")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(check.Of(sagas.Place{Edge: edge.URL})(context.Background()) != nil)
	_, err = sagas.ParseCheck("GET check")
	fmt.Println(err)
	// Output:
	// true
	// --check "GET check": write GET and one path, such as GET /check
}
