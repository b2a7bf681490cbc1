package orders

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/clock"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
)

// place makes an order of a cart and carries it out. The same request again, by its
// Idempotency-Key, gets the same order: from the record, or by going on with what an
// earlier attempt left.
func (s *orders) place(ctx context.Context, cart string) (Order, error) {
	lines, unread := s.linesOf(ctx, cart) // before the transaction, which waits for nobody
	var o Order
	claim, err := idempotency.Begin(ctx, s.db, func(ctx context.Context, tx tx.Tx, claim *idempotency.Claim) (err error) {
		if o.ID = "o-" + strings.ToLower(claim.ID()); claim.Resumed() {
			if o, err = take(ctx, tx, o.ID); err == nil && o.State == pending && !o.leased {
				err = idempotency.ErrInFlight // another attempt has it, or crashed less than a lease ago
			}
			return err
		}
		if unread != nil {
			return unread
		}
		o.Cart, o.Lines = cart, lines
		return insert(ctx, tx, &o)
	})
	if tx.IsUniqueViolation(err) {
		err = problem.Wrap(err, problem.Conflict, "what is in cart %q has been ordered", cart)
	}
	if err != nil {
		return o, err
	}
	if replayed, err := claim.Answer(&o.ID); replayed {
		if err == nil {
			o, err = find(ctx, s.db, o.ID)
		}
		return o, refusal(o, err)
	}
	if o, err = s.carryOn(ctx, o); o.State == pending {
		s.giveUp(context.WithoutCancel(ctx), o, claim)
		return o, problem.Wrap(err, problem.Unknown, "order %s is not decided yet; ask for it, or repeat the request with its key", o.ID).
			WithMeta("order", o.ID).WithRetryAfter(time.Second)
	}
	// Decided; where the cart could not be cleared yet, resume will.
	err = tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error { return claim.Finish(ctx, tx, o.ID) })
	return o, refusal(o, err)
}

// giveUp lets whoever comes next go on at once: a worker, or the same request again,
// which needs the order and the claim. What fails here ends by itself, a little later.
func (s *orders) giveUp(ctx context.Context, o Order, claim *idempotency.Claim) {
	_, _ = s.db.ExecContext(ctx, `UPDATE orders SET leased_until = 0 WHERE id = $1 AND fence = $2`, o.ID, o.fence)
	_ = claim.Release(ctx)
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
	lines := make([]Line, 0, len(c.GetLines()))
	for _, l := range c.GetLines() {
		if l.PriceCents == nil {
			return nil, problem.New(problem.Unavailable, "the price of product %q is not known now", l.GetProduct()).WithRetryAfter(time.Second)
		}
		lines = append(lines, Line{CartLine: l.GetId(), Product: l.GetProduct(), Name: l.GetName(), Quantity: l.GetQuantity(), Price: l.GetPriceCents()})
	}
	return lines, nil
}

// insert writes a pending order, leased to this replica.
func insert(ctx context.Context, tx tx.Tx, o *Order) error {
	now, err := clock.Now(ctx, tx)
	if err != nil {
		return err
	}
	o.State, o.Created, o.leased, o.fence = pending, now.UTC().Truncate(time.Millisecond), true, 1
	for _, l := range o.Lines {
		o.Total += l.Price * int64(l.Quantity)
	}
	request, _ := idempotency.FromContext(ctx)
	if _, err := tx.ExecContext(ctx, `INSERT INTO orders (id, cart, request_key, state, reason, total, created_at, settled, leased_until, fence)
		VALUES ($1, $2, $3, 'pending', '', $4, $5, 0, $6, 1)`,
		o.ID, o.Cart, request.Key, o.Total, now.UnixMilli(), now.Add(lease).UnixMilli()); err != nil {
		return err
	}
	for _, l := range o.Lines {
		if _, err := tx.ExecContext(ctx, `INSERT INTO order_lines (order_id, cart_line, sold, product, name, quantity, price) VALUES ($1, $2, $2, $3, $4, $5, $6)`,
			o.ID, l.CartLine, l.Product, l.Name, l.Quantity, l.Price); err != nil {
			return err
		}
	}
	return nil
}

// refusal is how a failed order is answered.
func refusal(o Order, err error) error {
	if err == nil && o.State == failed {
		err = problem.New(problem.Conflict, "order %s failed: %s", o.ID, o.Reason).WithMeta("order", o.ID)
	}
	return err
}
