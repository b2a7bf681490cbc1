package verify

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/query"
)

func (w *world) readCatalog(ctx context.Context, tx *sql.Tx) error {
	return add(ctx, tx, &w.products, func(p *catalog.Product) []any {
		return []any{&p.ID, &p.Name, &p.Category, &p.Price, &p.Description}
	}, `SELECT id, name, category, price, description FROM products`)
}

func (w *world) readCart(ctx context.Context, tx *sql.Tx) error {
	return add(ctx, tx, &w.cartLines, func(l *cartLine) []any {
		return []any{&l.id, &l.cart, &l.key, &l.product, &l.quantity}
	}, `SELECT id, cart, request_key, product, quantity FROM cart_lines ORDER BY cart, position`)
}

func (w *world) readInventory(ctx context.Context, tx *sql.Tx) error {
	var reserved []part
	if err := add(ctx, tx, &w.stock, func(s *stock) []any {
		return []any{&s.product, &s.initial, &s.free, &s.reserved, &s.sold}
	}, `SELECT product, initial, free, reserved, sold FROM stock ORDER BY product`); err != nil {
		return err
	}
	if err := add(ctx, tx, &w.reservations, func(r *reservation) []any {
		return []any{&r.key, &r.state}
	}, `SELECT key, state FROM reservations ORDER BY key`); err != nil {
		return err
	}
	err := add(ctx, tx, &reserved, parts, `SELECT key, product, CAST(SUM(quantity) AS BIGINT) FROM reservation_lines GROUP BY key, product`)
	w.reserved = byOwner(reserved)
	return err
}

func parts(p *part) []any { return []any{&p.owner, &p.product, &p.quantity} }

func (w *world) readOrders(ctx context.Context, tx *sql.Tx) error {
	var ordered []part
	if err := add(ctx, tx, &w.orders, func(o *order) []any {
		return []any{&o.id, &o.cart, &o.key, &o.state, &o.total, &o.cancelled, &o.summed}
	}, `SELECT id, cart, request_key, state, total, cancelled = 1,
		(SELECT CAST(COALESCE(SUM(quantity * price), 0) AS BIGINT) FROM order_lines WHERE order_id = id) FROM orders ORDER BY created_at, id`); err != nil {
		return err
	}
	for _, o := range w.orders {
		w.order[o.id] = o
	}
	if err := add(ctx, tx, &ordered, parts, `SELECT order_id, product, CAST(SUM(quantity) AS BIGINT) FROM order_lines GROUP BY order_id, product`); err != nil {
		return err
	}
	w.ordered = byOwner(ordered)
	if err := add(ctx, tx, &w.sold, func(s *soldLine) []any { return []any{&s.order, &s.line} },
		`SELECT order_id, cart_line FROM order_lines JOIN orders ON id = order_id WHERE state = 'confirmed' ORDER BY order_id, cart_line`); err != nil {
		return err
	}
	return add(ctx, tx, &w.soldTwice, query.Value[string], `SELECT cart_line FROM order_lines JOIN orders ON id = order_id
		WHERE state <> 'failed' GROUP BY cart_line HAVING COUNT(*) > 1 ORDER BY cart_line`)
}

func (w *world) readPayments(ctx context.Context, tx *sql.Tx) error {
	return add(ctx, tx, &w.payments, func(p *payment) []any { return []any{&p.order, &p.state, &p.cents} },
		`SELECT order_id, state, cents FROM payments ORDER BY order_id`)
}

func (w *world) readShipping(ctx context.Context, tx *sql.Tx) error {
	var all []parcel
	err := add(ctx, tx, &all, func(p *parcel) []any { return []any{&p.id, &p.order, &p.pieces} },
		`SELECT id, order_id, pieces FROM parcels ORDER BY order_id, id`)
	for _, p := range all {
		w.parcels[p.order] = append(w.parcels[p.order], p)
	}
	return err
}

func (w *world) readCard(ctx context.Context, tx *sql.Tx) error {
	if err := add(ctx, tx, &w.charges, func(c *charge) []any { return []any{&c.order, &c.cents, &c.captured} },
		`SELECT reference, cents, state = 'captured' FROM charges ORDER BY reference, key`); err != nil {
		return err
	}
	if err := add(ctx, tx, &w.refunds, func(r *refund) []any { return []any{&r.order, &r.cents} },
		`SELECT reference, cents FROM refunds ORDER BY reference, key`); err != nil {
		return err
	}
	var all []asked
	err := add(ctx, tx, &all, func(a *asked) []any { return []any{&a.calls, &a.declined, &a.timedOut} }, `SELECT COUNT(*), MAX(CASE WHEN behaviour = 'decline' THEN 1 ELSE 0 END) = 1, MAX(CASE WHEN behaviour = 'timeout' THEN 1 ELSE 0 END) = 1
		FROM calls WHERE kind = 'charge' GROUP BY key`)
	for _, a := range all {
		w.asked.Total++
		w.asked.Retried += one(a.calls > 1)
		w.asked.Declined += one(a.declined)
		w.asked.TimedOut += one(a.timedOut)
	}
	return err
}

func one(counts bool) int {
	if counts {
		return 1
	}
	return 0
}
