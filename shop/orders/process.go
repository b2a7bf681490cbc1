package orders

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/background"
	"github.com/musterdev/muster/shop/clock"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/query"
)

// lease is how long one replica has an order to itself. It works on it for attempt at
// most, which ends well before, whatever the clocks.
const lease, attempt = 5 * time.Second, 3 * time.Second

// hold is how long inventory keeps the pieces of an order that nobody carries on.
const hold = 10 * time.Minute

// carryOn takes an order, held under a lease, as far as it goes: reserve and sell its
// pieces, or give them back; then clear the cart. Every step may have been done
// before by an attempt that crashed; each is one that may be repeated.
func (s *orders) carryOn(ctx context.Context, o Order) (Order, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if o.State == pending {
		state, reason, err := s.sell(ctx, o)
		if err == nil {
			o, err = s.decide(ctx, o, state, reason)
		}
		if err != nil {
			return o, err
		}
	}
	if o.State == confirmed && !o.settled {
		return o, s.clearCart(ctx, o)
	}
	return o, nil
}

// sell moves an order's pieces to sold: then the order is to be confirmed. When that
// is refused it is failed, for a reason, and sell makes sure that none stays reserved,
// also for a request of this order that is still on its way. An error says nothing
// about the outcome: to be tried again.
func (s *orders) sell(ctx context.Context, o Order) (state, reason string, err error) {
	reserve := &inventoryv1.ReserveRequest{Key: o.ID, TtlSeconds: int32(hold / time.Second)}
	for _, l := range o.Lines {
		reserve.Lines = append(reserve.Lines, &inventoryv1.Line{Product: l.Product, Quantity: l.Quantity})
	}
	if _, err = s.inventory.Reserve(ctx, reserve); err == nil {
		if _, err = s.inventory.Confirm(ctx, &inventoryv1.ConfirmRequest{Key: o.ID}); err == nil {
			return confirmed, "", nil
		}
	}
	refusal := problem.From(problem.FromGRPC(err))
	if !slices.Contains(final, refusal.Code) {
		return "", "", err
	}
	_, err = s.inventory.Release(ctx, &inventoryv1.ReleaseRequest{Key: o.ID})
	return failed, cmp.Or(refusal.Message, string(refusal.Code)), err
}

// final are the refusals that stay however often a request is repeated.
var final = []problem.Code{problem.Conflict, problem.NotFound, problem.Gone, problem.Unprocessable, problem.InvalidArgument}

// decide writes an order's outcome, unless another replica holds the order by now. The
// lines of a failed order may be ordered again.
func (s *orders) decide(ctx context.Context, o Order, state, reason string) (Order, error) {
	err := tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		ours, err := query.Change(ctx, tx, `UPDATE orders SET state = $1, reason = $2, settled = CASE WHEN $1 = 'failed' THEN 1 ELSE 0 END
			WHERE id = $3 AND fence = $4 AND state = 'pending'`, state, reason, o.ID, o.fence)
		if err == nil && !ours {
			return problem.New(problem.Conflict, "order %s is being carried out elsewhere", o.ID)
		}
		if err == nil && state == failed {
			_, err = tx.ExecContext(ctx, `UPDATE order_lines SET sold = NULL WHERE order_id = $1`, o.ID)
		}
		return err
	})
	if err == nil {
		o.State, o.Reason, o.settled = state, reason, state == failed
	}
	return o, err
}

// clearCart takes the lines that were ordered out of the cart.
func (s *orders) clearCart(ctx context.Context, o Order) error {
	ordered := &cartv1.ClearRequest{Id: o.Cart}
	for _, l := range o.Lines {
		ordered.LineIds = append(ordered.LineIds, l.CartLine)
	}
	if _, err := s.cart.Clear(ctx, ordered); err != nil {
		return err
	}
	_, err := s.db.ExecContext(ctx, `UPDATE orders SET settled = 1 WHERE id = $1`, o.ID)
	return err
}

// take reads an order and leases it, when it is left to do and no other replica has it.
func take(ctx context.Context, tx tx.Tx, id string) (Order, error) {
	now, err := clock.Now(ctx, tx)
	if err != nil {
		return Order{}, err
	}
	leased, err := query.Change(ctx, tx, `UPDATE orders SET fence = fence + 1, leased_until = $1
		WHERE id = $2 AND settled = 0 AND leased_until <= $3`, now.Add(lease).UnixMilli(), id, now.UnixMilli())
	if err != nil {
		return Order{}, err
	}
	o, err := find(ctx, tx, id)
	o.leased = leased
	return o, err
}

// resume carries on orders that were left: by a crash, or because another service
// was away. The ones that wait longest come first.
func (s *orders) resume(ctx context.Context) error {
	now, err := clock.Now(ctx, s.db)
	if err != nil {
		return err
	}
	ids, err := query.All(ctx, s.db, query.Value[string], `SELECT id FROM orders
		WHERE settled = 0 AND leased_until <= $1 ORDER BY leased_until LIMIT 16`, now.UnixMilli())
	if err != nil {
		return err
	}
	return background.Each(ctx, ids, func(ctx context.Context, id string) error {
		var o Order
		err := tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) (err error) {
			o, err = take(ctx, tx, id)
			return err
		})
		if err == nil && o.leased {
			_, err = s.carryOn(ctx, o)
		}
		return err
	})
}
