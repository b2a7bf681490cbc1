package orders

import (
	"context"
	"net/http"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

type (
	placeOrder struct {
		Key  string `header:"Idempotency-Key" doc:"Makes the same request, sent twice, one order."`
		Cart string `json:"cart" required:"true" min:"1" max:"100" doc:"Its lines are ordered and taken out of it."`
	}
	placed struct {
		Order
		Location string `header:"Location" json:"-"`
	}
	getOrder struct {
		ID string `path:"id"`
	}
)

// routes returns the REST API.
func routes(s *orders) (*rest.API, error) {
	api := rest.New(rest.Info{Title: "Orders", Version: "1.0.0", Description: "What shoppers ordered.", Log: s.log})

	rest.Post(api, "/v1/orders", func(ctx context.Context, in placeOrder) (placed, error) {
		o, err := s.place(ctx, in.Cart)
		return placed{o, "/v1/orders/" + o.ID}, err
	}, rest.Through(idempotency.Middleware), rest.ID("placeOrder"), rest.Status(http.StatusCreated),
		rest.Doc("Check out", "Answers when the order is confirmed. With an Idempotency-Key, the same request twice is one order; without, each is another."),
		rest.Errors(problem.Conflict, problem.Unprocessable, problem.Unavailable, problem.Unknown))

	rest.Get(api, "/v1/orders/{id}", func(ctx context.Context, in getOrder) (Order, error) {
		return find(ctx, s.db, in.ID)
	}, rest.ID("getOrder"), rest.Doc("One order", ""), rest.Errors(problem.NotFound))

	rest.Get(api, "/v1/orders", s.list, rest.Paged(list), rest.ID("listOrders"), rest.Doc("All orders", "A page at a time, the newest first."))

	return api, api.Err()
}
