package inventory

import (
	"context"

	"github.com/musterdev/muster/problem"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/query"
)

// maxBatch bounds the products of one BatchGet.
const maxBatch = 100

// Get returns the stock of one product.
func (s *Server) Get(ctx context.Context, req *inventoryv1.GetRequest) (*inventoryv1.Stock, error) {
	found, err := s.stock(ctx, req.GetProduct())
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, unknownProduct(req.GetProduct())
	}
	return found[0], nil
}

// BatchGet returns the stock of the products known among those asked for.
func (s *Server) BatchGet(ctx context.Context, req *inventoryv1.BatchGetRequest) (*inventoryv1.BatchGetResponse, error) {
	n := len(req.GetProducts())
	if n == 0 || n > maxBatch {
		return nil, problem.New(problem.InvalidArgument, "%d products are asked for; 1 to %d are taken", n, maxBatch).WithField("products", "out of range")
	}
	found, err := s.stock(ctx, req.GetProducts()...)
	return &inventoryv1.BatchGetResponse{Stock: found}, err
}

func (s *Server) stock(ctx context.Context, products ...string) ([]*inventoryv1.Stock, error) {
	in, args := query.In(products)
	return query.All(ctx, s.db, func(st **inventoryv1.Stock) []any {
		*st = &inventoryv1.Stock{}
		return []any{&(*st).Product, &(*st).Free, &(*st).Reserved, &(*st).Sold}
	}, `SELECT product, free, reserved, sold FROM stock WHERE product `+in+` ORDER BY product`, args...)
}
