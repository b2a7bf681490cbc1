package catalog

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strconv"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

type getProduct struct {
	ID string `path:"id"`
}

// ETag changes when the product does.
func (p Product) ETag() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %d %q", p.ID, p.Name, p.Category, p.Price, p.Description)
	return strconv.FormatUint(h.Sum64(), 36)
}

// routes returns the REST API.
func routes(s products, log *slog.Logger) (*rest.API, error) {
	api := rest.New(rest.Info{Title: "Catalog", Version: "1.0.0", Description: "What the shop sells.", Log: log})
	rest.Get(api, "/v1/products", s.list, rest.Paged(list), rest.ID("listProducts"), rest.Doc("Browse and search", "Products by filter and order, a page at a time."))
	rest.Get(api, "/v1/products/{id}", func(ctx context.Context, in getProduct) (Product, error) {
		return s.get(ctx, in.ID)
	}, rest.ID("getProduct"), rest.Doc("One product", "Its ETag changes when the product does."), rest.Errors(problem.NotFound))
	return api, api.Err()
}
