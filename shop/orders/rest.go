package orders

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
	"github.com/musterdev/muster/shop/orders/sold"
)

type placeOrder struct {
	Key  string `header:"Idempotency-Key" doc:"Makes the same request, sent twice, one order."`
	Cart string `json:"cart" required:"true" min:"1" max:"100" doc:"Its lines are ordered and taken out of it."`
}

type getOrder struct {
	ID string `path:"id"`
}

// routes returns the REST API. What is wrong with it, Err says.
func routes(s *orders, log *slog.Logger) *rest.API {
	api := rest.New(rest.Info{Title: "Orders", Version: "1.0.0", Description: "What shoppers ordered.", Log: log})

	rest.Post(api, "/v1/orders", func(ctx context.Context, in placeOrder) (accepted, error) {
		return s.place(ctx, in.Cart)
	}, rest.Through(idempotency.Middleware), rest.ID("placeOrder"), rest.Status(http.StatusAccepted),
		rest.Doc("Check out", "Answers when the order is on record; what becomes of it is told at its Location. With an Idempotency-Key, the same request twice is one order; without, each is another."),
		rest.Errors(problem.Conflict, problem.Unprocessable, problem.Unavailable))

	rest.Post(api, "/v1/orders/{id}/cancel", func(ctx context.Context, in getOrder) (Order, error) {
		return s.cancel(ctx, in.ID)
	}, rest.ID("cancelOrder"), rest.Status(http.StatusAccepted),
		rest.Doc("Cancel an order", "It ends failed, and what was paid is given back. Refused once the order is approved, or has ended."),
		rest.Errors(problem.NotFound, problem.Conflict))

	rest.Get(api, "/v1/orders/{id}", func(ctx context.Context, in getOrder) (Order, error) {
		return find(ctx, s.db, in.ID)
	}, rest.ID("getOrder"), rest.Doc("One order", ""), rest.Errors(problem.NotFound))

	rest.Get(api, "/v1/orders", s.list, rest.Paged(list), rest.ID("listOrders"), rest.Doc("All orders", "A page at a time, the newest first."))

	sold.Register(api, s.db)
	return api
}
