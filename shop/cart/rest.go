package cart

import (
	"context"
	"net/http"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

type (
	none  struct{}
	keyed struct {
		Key string `header:"Idempotency-Key" doc:"Makes the same request, sent twice, have one effect."`
	}
	getCart struct {
		ID string `path:"id"`
	}
	created struct {
		Cart
		Location string `header:"Location" json:"-"`
	}
	addLine struct {
		keyed
		Cart     string `path:"id"`
		Product  string `json:"product" required:"true" min:"1" max:"100"`
		Quantity int    `json:"quantity" required:"true" min:"1" max:"1000"`
	}
	changeLine struct {
		keyed
		Cart     string `path:"id"`
		Line     string `path:"line"`
		Quantity int    `json:"quantity" required:"true" min:"1" max:"1000"`
	}
	removeLine struct {
		Cart string `path:"id"`
		Line string `path:"line"`
	}
)

// routes returns the REST API.
func routes(s *carts) (*rest.API, error) {
	api := rest.New(rest.Info{Title: "Cart", Version: "1.0.0", Description: "What shoppers mean to buy.", Log: s.log})
	once := rest.Through(idempotency.Middleware)

	rest.Post(api, "/v1/carts", func(ctx context.Context, _ keyed) (created, error) {
		c, err := s.create(ctx)
		return created{c, "/v1/carts/" + c.ID}, err
	}, once, rest.ID("createCart"), rest.Status(http.StatusCreated), rest.Doc("Take a cart", ""))

	rest.Get(api, "/v1/carts/{id}", func(ctx context.Context, in getCart) (Cart, error) {
		return s.get(ctx, in.ID)
	}, rest.ID("getCart"), rest.Doc("Look into a cart", ""), rest.Errors(problem.NotFound))

	rest.Post(api, "/v1/carts/{id}/lines", func(ctx context.Context, in addLine) (Line, error) {
		return s.add(ctx, in.Cart, in.Product, in.Quantity)
	}, once, rest.ID("addLine"), rest.Status(http.StatusCreated),
		rest.Doc("Put something in", "With an Idempotency-Key, the same request twice is one line."),
		rest.Errors(problem.NotFound, problem.Unprocessable, problem.Conflict))

	rest.Patch(api, "/v1/carts/{id}/lines/{line}", func(ctx context.Context, in changeLine) (Line, error) {
		return s.setQuantity(ctx, in.Cart, in.Line, in.Quantity)
	}, once, rest.ID("changeLine"), rest.Doc("Change how many", ""), rest.Errors(problem.NotFound))

	rest.Delete(api, "/v1/carts/{id}/lines/{line}", func(ctx context.Context, in removeLine) (none, error) {
		_, err := s.setQuantity(ctx, in.Cart, in.Line, 0)
		return none{}, err
	}, once, rest.ID("removeLine"), rest.Doc("Take something out", "Once more changes nothing and succeeds."), rest.Errors(problem.NotFound))

	return api, api.Err()
}
