package orders

import (
	"context"
	"crypto/rand"
	"database/sql"
	"strings"
	"time"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/clock"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
)

// accepted is the answer to a request for an order, the same for its repetitions.
type accepted struct {
	Location string `header:"Location" json:"-"`
	ID       string `json:"id"`
	State    string `json:"state" enum:"pending"`
}

// place makes an order of a cart. The order, its saga and the answer to the request's
// Idempotency-Key are committed together.
func (s *orders) place(ctx context.Context, cart string) (accepted, error) {
	lines, unread := s.linesOf(ctx, cart) // before the transaction, which waits for nobody
	a, err := idempotency.Run(ctx, s.db, func(ctx context.Context, tx tx.Tx) (accepted, error) {
		if unread != nil {
			return accepted{}, unread
		}
		o := Order{ID: "o-" + strings.ToLower(rand.Text()), State: pending, Cart: cart, Lines: lines}
		if err := insert(ctx, tx, &o); err != nil {
			return accepted{}, err
		}
		return accepted{ID: o.ID, State: o.State}, s.checkout.Start(ctx, tx, o.ID, purchase{Order: o})
	})
	if tx.IsUniqueViolation(err) {
		err = problem.Wrap(err, problem.Conflict, "what is in cart %q has been ordered", cart)
	}
	a.Location = "/v1/orders/" + a.ID
	return a, err
}

// linesOf reads a cart. An order is made of lines whose prices are known.
func (s *orders) linesOf(ctx context.Context, cart string) ([]Line, error) {
	c, err := s.cart.Get(ctx, &cartv1.GetRequest{Id: cart})
	if err != nil {
		if err = problem.FromGRPC(err); problem.CodeOf(err) == problem.NotFound {
			err = problem.Wrap(err, problem.Unprocessable, "there is no cart %q", cart).WithField("cart", "unknown")
		}
		return nil, err
	}
	if len(c.GetLines()) == 0 {
		return nil, problem.New(problem.Unprocessable, "cart %q is empty", cart).WithField("cart", "empty")
	}
	var lines []Line
	for _, l := range c.GetLines() {
		if l.PriceCents == nil {
			return nil, problem.New(problem.Unavailable, "the price of product %q is not known now", l.GetProduct()).WithRetryAfter(time.Second)
		}
		lines = append(lines, Line{CartLine: l.GetId(), Product: l.GetProduct(), Name: l.GetName(), Quantity: l.GetQuantity(), Price: l.GetPriceCents()})
	}
	return lines, nil
}

// insert writes a pending order.
func insert(ctx context.Context, tx tx.Tx, o *Order) error {
	now, err := clock.Now(ctx, tx)
	if err != nil {
		return err
	}
	o.Created = now.UTC()
	for _, l := range o.Lines {
		o.Total += l.Price * int64(l.Quantity)
	}
	request, _ := idempotency.FromContext(ctx)
	if _, err := tx.ExecContext(ctx, `INSERT INTO orders (id, cart, request_key, state, reason, total, created_at) VALUES ($1, $2, $3, 'pending', '', $4, $5)`, o.ID, o.Cart, request.Key, o.Total, now.UnixMilli()); err != nil {
		return err
	}
	for _, l := range o.Lines {
		if _, err := tx.ExecContext(ctx, `INSERT INTO order_lines (order_id, cart_line, sold, product, name, quantity, price) VALUES ($1, $2, $2, $3, $4, $5, $6)`, o.ID, l.CartLine, l.Product, l.Name, l.Quantity, l.Price); err != nil {
			return err
		}
	}
	return nil
}

// cancel takes an order back, as long as its saga has not approved it. It may be
// repeated.
func (s *orders) cancel(ctx context.Context, id string) (o Order, err error) {
	err = tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE orders SET cancelled = 1 WHERE id = $1 AND state = 'pending' AND approved = 0`, id); err != nil {
			return err
		}
		if o, err = find(ctx, tx, id); err == nil && !o.Cancelled {
			err = problem.New(problem.Conflict, "it is too late to cancel order %s: it has been approved, or has ended (%s)", id, o.State)
		}
		return err
	})
	return o, err
}
