package cart

import (
	"context"

	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
)

// server answers other services.
type server struct {
	cartv1.UnimplementedCartServer
	carts *carts
}

// Get returns a cart as it is to be ordered: at the prices that catalog has now.
func (s *server) Get(ctx context.Context, req *cartv1.GetRequest) (*cartv1.GetResponse, error) {
	c, err := s.carts.get(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	res := &cartv1.GetResponse{Id: c.ID}
	for _, l := range s.carts.today(ctx, c.Lines) {
		res.Lines = append(res.Lines, &cartv1.Line{
			Id: l.ID, Product: l.Product, Name: l.Name, Quantity: int32(l.Quantity), PriceCents: l.Price, //nolint:gosec // 1 to 1,000
		})
	}
	return res, nil
}

// Clear takes lines that were ordered out of a cart.
func (s *server) Clear(ctx context.Context, req *cartv1.ClearRequest) (*cartv1.ClearResponse, error) {
	return &cartv1.ClearResponse{}, s.carts.clear(ctx, req.GetId(), req.GetLineIds())
}
