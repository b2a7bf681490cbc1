package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

type Product struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Price int64  `json:"price" doc:"In cents."`
}

type ByID struct {
	ID string `path:"id" doc:"The product's id."`
}

func product(_ context.Context, in ByID) (Product, error) {
	if in.ID != "7" {
		return Product{}, problem.New(problem.NotFound, "no product %q", in.ID)
	}
	return Product{ID: "7", Name: "teapot", Price: 1900}, nil
}

// An API in an existing net/http service.
func Example() {
	mux := http.NewServeMux() // the service's own
	api := rest.New(rest.Info{Title: "Catalog", Version: "1.0.0"})
	rest.Get(api, "/v1/products/{id}", product, rest.Doc("One product", ""), rest.Errors(problem.NotFound))
	if err := api.Err(); err != nil {
		fmt.Println(err)
		return
	}
	mux.Handle("/", api)

	for _, path := range []string{"/v1/products/7", "/v1/products/8", "/v1/products/7?verbos=1"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"id":"7","name":"teapot","price":1900}
	// 404 {"type":"about:blank","title":"Not Found","status":404,"detail":"no product \"8\"","instance":"/v1/products/8","code":"not_found"}
	// 400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"\"verbos\" is not a known query parameter; there are none here","instance":"/v1/products/7","code":"invalid_argument","details":[{"field":"verbos","reason":"is not a known query parameter; there are none here"}]}
}

type NewProduct struct {
	Key   string `header:"Idempotency-Key" required:"true"`
	Name  string `json:"name" required:"true" min:"1" max:"80"`
	Price int64  `json:"price" min:"0"`
}

type Created struct {
	Location string `header:"Location" json:"-"`
	ID       string `json:"id"`
}

func ExamplePost() {
	api := rest.New(rest.Info{Title: "Catalog"})
	rest.Post(api, "/v1/products", func(_ context.Context, in NewProduct) (Created, error) {
		return Created{Location: "/v1/products/8", ID: "8"}, nil
	}, rest.Status(http.StatusCreated))

	for _, body := range []string{`{"name": "teapot", "price": 1900}`, `{"prize": 1900, "price": -1}`} {
		r := httptest.NewRequest(http.MethodPost, "/v1/products", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "k1")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Location"))
		if w.Code != http.StatusCreated {
			for _, d := range problem.From(problem.FromResponse(w.Result())).Details {
				fmt.Println(d.Field, d.Reason)
			}
		}
	}
	// Output:
	// 201 "/v1/products/8"
	// 400 ""
	// prize is not known here; did you mean "price"?
	// price must be a whole number of at least 0
	// name is required
}

func ExamplePaged() {
	products := page.Spec{
		Fields: []page.Field{{Name: "id", Filter: page.Equality}, {Name: "price", Kind: page.Int, Filter: page.Range, Sort: true}},
		Key:    "id",
	}
	api := rest.New(rest.Info{Title: "Catalog"})
	rest.Get(api, "/v1/products", func(_ context.Context, q page.Query) (page.Page[Product], error) {
		cond, args := q.Where()
		fmt.Println(cond+q.OrderBy()+q.Limit(), args)
		return page.Of[Product](q, nil)
	}, rest.Paged(products))

	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/products?price.gte=100&sort=-price", nil))
	fmt.Print(w.Body)
	// Output:
	// price >= $1 ORDER BY price DESC, id DESC LIMIT 21 [100]
	// {"items":[]}
}

// What is wrong with a handler's types is told when the service starts.
func ExampleAPI_Err() {
	api := rest.New(rest.Info{Title: "Catalog"})
	rest.Get(api, "/v1/products/{sku}", product)
	fmt.Println(api.Err())
	// Output: rest: GET /v1/products/{sku}: its In, rest_test.ByID: the path has no {id}
}

type versioned struct {
	Name    string `json:"name"`
	version string
}

func (v versioned) ETag() string { return v.version }

func ExampleTagger() {
	api := rest.New(rest.Info{Title: "Catalog"})
	rest.Get(api, "/v1/name", func(context.Context, struct{}) (versioned, error) {
		return versioned{Name: "teapot", version: "v3"}, nil
	})
	r := httptest.NewRequest(http.MethodGet, "/v1/name", nil)
	for range 2 {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Body)
		fmt.Printf("%d %s %q\n", w.Code, w.Header().Get("ETag"), body)
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	}
	// Output:
	// 200 "v3" "{\"name\":\"teapot\"}\n"
	// 304 "v3" ""
}
