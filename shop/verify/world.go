package verify

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/query"
	"github.com/musterdev/muster/shop/shopper"
)

// world is what the stores hold and what shoppers were told.
type world struct {
	promised     shopper.Ledger
	products     []catalog.Product
	cartLines    []cartLine
	stock        []stock
	reservations []reservation
	reserved     pieces // by reservation key
	orders       []order
	ordered      pieces   // by order id
	soldTwice    []string // cart lines in more than one order that did not fail
}

type (
	cartLine struct {
		id, cart, key, product string
		quantity               int64 // 0: removed or ordered
	}
	stock struct {
		product                       string
		initial, free, reserved, sold int64
	}
	reservation struct{ key, state string }
	order       struct {
		id, cart, key, state string
		total, summed        int64
		settled              bool
	}
	part struct {
		owner, product string
		quantity       int64
	}
)

// pieces counts pieces by owner (a reservation or an order) and product.
type pieces map[string]map[string]int64

func load(ctx context.Context, s Stores) (w world, err error) {
	var reserved, ordered []part
	readers := []struct {
		store string
		db    *sql.DB
		read  func(ctx context.Context, tx *sql.Tx) error
	}{
		{"catalog", s.Catalog, func(ctx context.Context, tx *sql.Tx) (err error) {
			w.products, err = query.All(ctx, tx, func(p *catalog.Product) []any {
				return []any{&p.ID, &p.Name, &p.Category, &p.Price, &p.Description}
			}, `SELECT id, name, category, price, description FROM products`)
			return err
		}},
		{"cart", s.Cart, func(ctx context.Context, tx *sql.Tx) (err error) {
			w.cartLines, err = query.All(ctx, tx, func(l *cartLine) []any {
				return []any{&l.id, &l.cart, &l.key, &l.product, &l.quantity}
			}, `SELECT id, cart, request_key, product, quantity FROM cart_lines ORDER BY cart, position`)
			return err
		}},
		{"inventory", s.Inventory, func(ctx context.Context, tx *sql.Tx) (err error) {
			w.stock, err = query.All(ctx, tx, func(s *stock) []any {
				return []any{&s.product, &s.initial, &s.free, &s.reserved, &s.sold}
			}, `SELECT product, initial, free, reserved, sold FROM stock ORDER BY product`)
			if err != nil {
				return err
			}
			w.reservations, err = query.All(ctx, tx, func(r *reservation) []any {
				return []any{&r.key, &r.state}
			}, `SELECT key, state FROM reservations ORDER BY key`)
			if err != nil {
				return err
			}
			reserved, err = query.All(ctx, tx, parts, `SELECT key, product, CAST(SUM(quantity) AS BIGINT) FROM reservation_lines GROUP BY key, product`)
			return err
		}},
		{"orders", s.Orders, func(ctx context.Context, tx *sql.Tx) (err error) {
			w.orders, err = query.All(ctx, tx, func(o *order) []any {
				return []any{&o.id, &o.cart, &o.key, &o.state, &o.total, &o.settled, &o.summed}
			}, `SELECT id, cart, request_key, state, total, settled = 1,
				(SELECT CAST(COALESCE(SUM(quantity * price), 0) AS BIGINT) FROM order_lines WHERE order_id = id) FROM orders ORDER BY created_at, id`)
			if err != nil {
				return err
			}
			ordered, err = query.All(ctx, tx, parts, `SELECT order_id, product, CAST(SUM(quantity) AS BIGINT) FROM order_lines GROUP BY order_id, product`)
			if err != nil {
				return err
			}
			w.soldTwice, err = query.All(ctx, tx, query.Value[string], `SELECT cart_line FROM order_lines JOIN orders ON id = order_id
				WHERE state <> 'failed' GROUP BY cart_line HAVING COUNT(*) > 1 ORDER BY cart_line`)
			return err
		}},
	}
	for _, r := range readers {
		if err := tx.Read(ctx, r.db, r.read); err != nil {
			return w, fmt.Errorf("%s: %w", r.store, err)
		}
	}
	w.reserved, w.ordered = byOwner(reserved), byOwner(ordered)
	return w, nil
}

func parts(p *part) []any { return []any{&p.owner, &p.product, &p.quantity} }

func byOwner(parts []part) pieces {
	all := pieces{}
	for _, p := range parts {
		if all[p.owner] == nil {
			all[p.owner] = map[string]int64{}
		}
		all[p.owner][p.product] = p.quantity
	}
	return all
}

// sum adds up the pieces of some owners, by product.
func (p pieces) sum(owners []string) map[string]int64 {
	total := map[string]int64{}
	for _, owner := range owners {
		for product, n := range p[owner] {
			total[product] += n
		}
	}
	return total
}
