// Package orders is the service that turns carts into orders. An order is accepted in
// one transaction: its row, its lines at today's prices, and the saga checkout that
// carries it out over the other services. So nothing is asked of others that is not on
// record here, and whatever crashes, any replica goes on from the last step that was
// done, until the order is confirmed, or has failed and nothing of it is left.
package orders

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/clock"
	"github.com/musterdev/muster/shop/orders/sold"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Order is what a shopper ordered and what became of it.
type Order struct {
	ID        string    `json:"id"`
	State     string    `json:"state" enum:"pending,confirmed,failed"`
	Reason    string    `json:"reason,omitempty" doc:"Why it failed."`
	Cart      string    `json:"cart"`
	Total     int64     `json:"total" doc:"In cents."`
	Created   time.Time `json:"created"`
	Cancelled bool      `json:"cancelled,omitempty" doc:"The shopper took it back; it is failed, or will be."`
	Lines     []Line    `json:"lines,omitempty" doc:"Left out in lists."`
	Position  string    `header:"Muster-Position" json:"-" doc:"Of a confirmed order: sent to search, its answer counts the order."`
}

// The states of an order. It leaves pending once and for all.
const pending, confirmed, failed = "pending", "confirmed", "failed"

// Line is some pieces of one product at the price they had when they were ordered.
type Line = sold.Line

// orders keeps orders in a database and carries them out. It is safe for concurrent
// use, by any number of replicas.
type orders struct {
	db        *sql.DB
	cart      cartv1.CartClient
	inventory inventoryv1.InventoryClient
	checkout  *saga.Saga[purchase]
}

// list is what a list of orders can be filtered and sorted by.
var list = page.Spec{
	Key:         "id",
	DefaultSort: "-created",
	Fields: []page.Field{
		{Name: "id"},
		{Name: "created", Column: "created_at", Kind: page.Int, Sort: true},
		{Name: "state", Filter: page.Equality, Enum: []string{pending, confirmed, failed}},
		{Name: "cart", Filter: page.Equality},
	},
}

const selectOrders = `SELECT id, state, reason, cart, total, created_at, cancelled = 1 FROM orders WHERE `

func fields(o *Order) []any {
	return []any{&o.ID, &o.State, &o.Reason, &o.Cart, &o.Total, clock.Milliseconds(&o.Created), &o.Cancelled}
}

// find returns one order with its lines.
func find(ctx context.Context, r query.Runner, id string) (Order, error) {
	o, found, err := query.One(ctx, r, fields, selectOrders+`id = $1`, id)
	if err != nil || !found {
		return o, cmp.Or(err, error(problem.New(problem.NotFound, "there is no order %q", id)))
	}
	o.Position = sold.Position(id, o.State)
	o.Lines, err = query.All(ctx, r, func(l *Line) []any { return []any{&l.CartLine, &l.Product, &l.Name, &l.Quantity, &l.Price} },
		`SELECT cart_line, product, name, quantity, price FROM order_lines WHERE order_id = $1 ORDER BY cart_line`, id)
	return o, err
}

func (s *orders) list(ctx context.Context, q page.Query) (page.Page[Order], error) {
	where, args := q.Where()
	all, err := query.All(ctx, s.db, fields, selectOrders+where+q.OrderBy()+q.Limit(), args...)
	if err != nil {
		return page.Page[Order]{}, err
	}
	return page.OfFunc(q, all, func(o Order, field string) any {
		return map[string]any{"id": o.ID, "created": o.Created.UnixMilli()}[field]
	})
}
