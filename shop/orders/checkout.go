package orders

import (
	"context"
	"database/sql"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/orders/sold"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/query"
)

// hold is how long inventory keeps the pieces of an order that has not sold them. One
// that takes longer fails, and its money is given back.
const hold = 10 * time.Minute

// purchase is what the saga of an order keeps: what was ordered, and what was done for it.
type purchase struct {
	Order  Order  `json:"order"`            // as it was placed
	Charge string `json:"charge,omitempty"` // what it was paid by
	Parcel string `json:"parcel,omitempty"` // what it is shipped in
}

// newOrders returns the service with the saga that carries an order out. Until its
// pieces are sold all that was done is undone when a step is refused; from then on it
// goes through.
func newOrders(db *sql.DB, cart cartv1.CartClient, inventory inventoryv1.InventoryClient) *orders {
	s := &orders{db: db, cart: cart, inventory: inventory}
	s.checkout = &saga.Saga[purchase]{
		Name: "checkout", Version: 1,
		Steps: []saga.Step[purchase]{
			saga.Remote[purchase]{Name: "reserve", Do: s.reserve, Undo: s.release},
			saga.Local[purchase]{Name: "pay", Do: s.pay, Undo: s.refund},
			saga.Local[purchase]{Name: "approve", Do: s.approve, NoUndo: true},
			saga.Remote[purchase]{Name: "sell", Do: s.sell, Pivot: true},
			saga.Local[purchase]{Name: "ship", Do: s.ship},
			saga.Local[purchase]{Name: "confirm", Do: s.confirm},
			saga.Remote[purchase]{Name: "clear", Do: s.clear},
		},
		Compensated: s.fail,
	}
	return s
}

// reserve has inventory hold the pieces, under the order's id.
func (s *orders) reserve(ctx context.Context, p *purchase) error {
	req := &inventoryv1.ReserveRequest{Key: p.Order.ID, TtlSeconds: int32(hold / time.Second)}
	for _, l := range p.Order.Lines {
		req.Lines = append(req.Lines, &inventoryv1.Line{Product: l.Product, Quantity: l.Quantity})
	}
	_, err := s.inventory.Reserve(ctx, req)
	return problem.FromGRPC(err)
}

// release gives the pieces back, and lets none be held by a reserve that comes late.
func (s *orders) release(ctx context.Context, p *purchase) error {
	_, err := s.inventory.Release(ctx, &inventoryv1.ReleaseRequest{Key: p.Order.ID})
	return problem.FromGRPC(err)
}

// pay asks for the money. onCaptured and onDeclined end the step.
func (s *orders) pay(ctx context.Context, tx tx.Tx, p *purchase) error {
	return ask(ctx, tx, events.PaymentRequested, p.Order.ID, events.PaymentRequest{Order: p.Order.ID, Cents: p.Order.Total})
}

// refund asks for the money back. onRefunded ends the step.
func (s *orders) refund(ctx context.Context, tx tx.Tx, p *purchase) error {
	return ask(ctx, tx, events.RefundRequested, p.Order.ID, events.RefundRequest{Order: p.Order.ID})
}

// approve is the last moment at which the shopper can have taken the order back.
func (s *orders) approve(ctx context.Context, tx tx.Tx, p *purchase) error {
	if approved, err := query.Change(ctx, tx, `UPDATE orders SET approved = 1 WHERE id = $1 AND cancelled = 0`, p.Order.ID); err != nil || approved {
		return err
	}
	return saga.Reject("cancelled by the shopper")
}

// sell moves the pieces from held to sold; refused when they are not held any more.
func (s *orders) sell(ctx context.Context, p *purchase) error {
	_, err := s.inventory.Confirm(ctx, &inventoryv1.ConfirmRequest{Key: p.Order.ID})
	return problem.FromGRPC(err)
}

// ship asks for the parcel. onBooked ends the step.
func (s *orders) ship(ctx context.Context, tx tx.Tx, p *purchase) error {
	e := events.Shipment{Order: p.Order.ID}
	for _, l := range p.Order.Lines {
		e.Pieces += int64(l.Quantity)
	}
	return ask(ctx, tx, events.ShippingRequested, p.Order.ID, e)
}

// confirm ends a good order.
func (s *orders) confirm(ctx context.Context, tx tx.Tx, p *purchase) error {
	if _, err := tx.ExecContext(ctx, `UPDATE orders SET state = 'confirmed' WHERE id = $1`, p.Order.ID); err != nil {
		return err
	}
	return sold.Publish(ctx, tx, events.Confirmation{Order: p.Order.ID, Cart: p.Order.Cart, Cents: p.Order.Total}, p.Order.Lines)
}

// clear takes the lines that were ordered out of the cart.
func (s *orders) clear(ctx context.Context, p *purchase) error {
	req := &cartv1.ClearRequest{Id: p.Order.Cart}
	for _, l := range p.Order.Lines {
		req.LineIds = append(req.LineIds, l.CartLine)
	}
	_, err := s.cart.Clear(ctx, req)
	return problem.FromGRPC(err)
}

// fail ends an order of which everything is undone. Its lines may be ordered again.
func (s *orders) fail(ctx context.Context, tx tx.Tx, p *purchase, reason string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE orders SET state = 'failed', reason = $1 WHERE id = $2`, reason, p.Order.ID); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE order_lines SET sold = NULL WHERE order_id = $1`, p.Order.ID); err != nil {
		return err
	}
	return outbox.Append(ctx, tx, events.OrderFailed, p.Order.ID, events.Failure{Order: p.Order.ID, Cart: p.Order.Cart, Reason: reason})
}

// ask publishes, once the step is on record, the event by which another service is
// asked. The saga waits for that one's answer.
func ask[T any](ctx context.Context, tx tx.Tx, topic bus.Topic[T], order string, event T) error {
	if err := outbox.Append(ctx, tx, topic, order, event); err != nil {
		return err
	}
	return saga.Wait
}

// What the other services answer ends the step of the saga that asked.

func (s *orders) onCaptured(ctx context.Context, tx tx.Tx, e events.Payment) error {
	return s.checkout.Answer(ctx, tx, e.Order, "pay", nil, func(p *purchase) { p.Charge = e.Charge })
}

func (s *orders) onDeclined(ctx context.Context, tx tx.Tx, e events.Refusal) error {
	return s.checkout.Answer(ctx, tx, e.Order, "pay", saga.Reject(e.Reason), nil)
}

func (s *orders) onRefunded(ctx context.Context, tx tx.Tx, e events.Refund) error {
	return s.checkout.AnswerUndo(ctx, tx, e.Order, "pay", nil, nil)
}

func (s *orders) onBooked(ctx context.Context, tx tx.Tx, e events.Parcel) error {
	return s.checkout.Answer(ctx, tx, e.Order, "ship", nil, func(p *purchase) { p.Parcel = e.Parcel })
}
