// Package sold tells others what was ordered: by event, for those that keep copies, and when
// they ask, for pages that are made of several services' answers. It is a part of the
// service orders.
package sold

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/rest"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/query"
)

type (
	question struct {
		Products []string `query:"product" required:"true" min:"1" max:"100" doc:"Their ids."`
	}
	answer struct {
		Products []Product `json:"products" doc:"Those that were ever ordered."`
	}
)

// Product is how often one product was ordered.
type Product struct {
	ID      string `json:"id"`
	Ordered int64  `json:"ordered" doc:"In how many confirmed orders it is."`
}

// Line is some pieces of one product at the price they had when they were ordered.
type Line struct {
	CartLine string `json:"cart_line" doc:"The line of the cart that it was."`
	Product  string `json:"product"`
	Name     string `json:"name"`
	Quantity int32  `json:"quantity"`
	Price    int64  `json:"price" doc:"Of one piece, in cents."`
}

// Publish has everybody told that an order is confirmed, once t is committed.
func Publish(ctx context.Context, t tx.Tx, e events.Confirmation, lines []Line) error {
	for _, l := range lines {
		e.Lines = append(e.Lines, events.Sale{Product: l.Product, Pieces: int64(l.Quantity)})
	}
	m, err := events.OrderConfirmed.Msg(ctx, e.Order, e)
	if err != nil {
		return err
	}
	m.ID = event(e.Order)
	return outbox.AppendMsg(ctx, t, m)
}

// event is the id of the event of an order, which whoever reads the order can tell.
func event(order string) string { return "confirmed-" + order }

// Position is what a read model is asked by for at least the event of a confirmed order. It
// is a header that is given on, and "" before that event.
func Position(order, state string) string {
	if state != "confirmed" {
		return ""
	}
	return projection.Token{Source: "/orders", ID: event(order)}.String()
}

// Register adds GET /v1/sold to the API of orders. The edge has no route to it.
func Register(api *rest.API, db *sql.DB) {
	rest.Get(api, "/v1/sold", func(ctx context.Context, q question) (answer, error) {
		in, args := query.In(q.Products)
		all, err := query.All(ctx, db, func(p *Product) []any { return []any{&p.ID, &p.Ordered} },
			`SELECT product, COUNT(DISTINCT order_id) FROM order_lines JOIN orders ON id = order_id
			WHERE state = 'confirmed' AND product `+in+` GROUP BY product ORDER BY product`, args...)
		return answer{append([]Product{}, all...)}, err
	}, rest.ID("sold"), rest.Doc("How often products were ordered", "For other services."))
}
