package catalog

import (
	"context"
	"net/url"
	"strconv"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
)

// maxBatch bounds the ids of one BatchGet.
const maxBatch = 100

// server answers other services.
type server struct {
	catalogv1.UnimplementedCatalogServer
	products products
}

// Get returns one product.
func (s *server) Get(ctx context.Context, req *catalogv1.GetRequest) (*catalogv1.Product, error) {
	p, err := s.products.get(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return message(p), nil
}

// BatchGet returns the products known among those asked for.
func (s *server) BatchGet(ctx context.Context, req *catalogv1.BatchGetRequest) (*catalogv1.BatchGetResponse, error) {
	if n := len(req.GetIds()); n == 0 || n > maxBatch {
		return nil, problem.New(problem.InvalidArgument, "%d ids are asked for; 1 to %d are taken", n, maxBatch).WithField("ids", "out of range")
	}
	products, err := s.products.known(ctx, req.GetIds())
	if err != nil {
		return nil, err
	}
	return &catalogv1.BatchGetResponse{Products: messages(products)}, nil
}

// List returns one page. It is the REST list in other words, so the two cannot differ.
func (s *server) List(ctx context.Context, req *catalogv1.ListRequest) (*catalogv1.ListResponse, error) {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			values.Set(name, value)
		}
	}
	set("limit", strconv.Itoa(int(req.GetPageSize())))
	set("cursor", req.GetPageToken())
	set("category", req.GetCategory())
	query, err := page.Parse(values, list)
	if err != nil {
		return nil, err
	}
	found, err := s.products.list(ctx, query)
	if err != nil {
		return nil, err
	}
	return &catalogv1.ListResponse{Products: messages(found.Items), NextPageToken: found.Next}, nil
}

func messages(products []Product) []*catalogv1.Product {
	all := make([]*catalogv1.Product, len(products))
	for i, p := range products {
		all[i] = message(p)
	}
	return all
}

func message(p Product) *catalogv1.Product {
	return &catalogv1.Product{Id: p.ID, Name: p.Name, Category: p.Category, Description: p.Description, PriceCents: p.Price}
}
