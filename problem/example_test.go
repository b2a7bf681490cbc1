package problem_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/musterdev/muster/problem"
)

// A handler answers with problems, its client gets them back as errors.
func Example() {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.Wrap(sql.ErrNoRows, problem.NotFound, "no product %q", r.PathValue("id")))
	}))
	defer shop.Close()

	res, err := http.Get(shop.URL + "/v1/products/7")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	err = problem.FromResponse(res)
	fmt.Println(problem.CodeOf(err), res.StatusCode, res.Header.Get("Content-Type"))
	// Output: not_found 404 application/problem+json
}

func ExampleWrap() {
	err := problem.Wrap(sql.ErrNoRows, problem.NotFound, "no product %q", "p7")
	fmt.Println(err)
	fmt.Println(errors.Is(err, sql.ErrNoRows))
	// Output:
	// not_found: no product "p7": sql: no rows in result set
	// true
}

func ExampleWrite() {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/v1/carts/7/lines", nil)
	problem.Write(w, r, problem.New(problem.InvalidArgument, "the line is not valid").WithField("quantity", "must be at least 1"))
	fmt.Print(w.Body)
	// Output:
	// {"type":"about:blank","title":"Bad Request","status":400,"detail":"the line is not valid","instance":"/v1/carts/7/lines","code":"invalid_argument","details":[{"field":"quantity","reason":"must be at least 1"}]}
}

func ExampleToGRPC() {
	sent := problem.ToGRPC(problem.New(problem.Gone, "the offer has ended").WithRetryAfter(time.Minute))
	fmt.Println(sent)
	got := problem.From(problem.FromGRPC(sent)) // at the other end
	fmt.Println(got.Code, got.RetryAfter)
	// Output:
	// rpc error: code = NotFound desc = the offer has ended
	// gone 1m0s
}

func ExampleNearest() {
	fmt.Println(problem.Nearest("prize", []string{"name", "price"}))
	// Output: price
}
