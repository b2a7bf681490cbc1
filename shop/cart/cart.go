// Package cart is the service that owns what shoppers mean to buy. Adding a line is
// idempotent by key; a cart nobody changes for long is swept.
//
// It asks catalog for a product's name and price. While catalog is away the cart
// goes on without: a line is taken with its price unknown, and the next read that
// reaches catalog fills the price in, or drops the line when there is no such
// product. An order waits for the prices; a shopper who only collects does not.
package cart

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"log/slog"
	"strings"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/clock"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Cart is what one shopper collected.
type Cart struct {
	ID    string `json:"id"`
	Lines []Line `json:"lines"`
	Total *int64 `json:"total,omitempty" doc:"In cents; absent while the price of a line is not known."`
}

// Line is some pieces of one product.
type Line struct {
	ID       string `json:"id"`
	Product  string `json:"product"`
	Name     string `json:"name,omitempty"`
	Quantity int    `json:"quantity"`
	Price    *int64 `json:"price,omitempty" doc:"Of one piece, in cents; absent while catalog could not be asked."`
}

const (
	maxLines = 100 // of one cart
	// patience bounds the wait for catalog: a cart without prices is better than none.
	patience = time.Second
)

// carts keeps carts in a database. It is safe for concurrent use, by any number of replicas.
type carts struct {
	db  *sql.DB
	log *slog.Logger
	// products asks catalog, for many requests at once and afresh each time: the price of
	// an order is the one of its moment.
	products *cache.Batch[*catalogv1.Product]
}

func newCarts(db *sql.DB, catalog catalogv1.CatalogClient, log *slog.Logger) *carts {
	return &carts{db: db, log: log, products: &cache.Batch[*catalogv1.Product]{
		Most: 100, Timeout: patience, // as many as catalog takes
		Load: func(ctx context.Context, ids []string) (map[string]*catalogv1.Product, error) {
			res, err := catalog.BatchGet(ctx, &catalogv1.BatchGetRequest{Ids: ids})
			known := map[string]*catalogv1.Product{}
			for _, p := range res.GetProducts() {
				known[p.GetId()] = p
			}
			return known, err
		},
	}}
}

func newID(kind string) string { return kind + "-" + strings.ToLower(rand.Text()) }

func (s *carts) create(ctx context.Context) (Cart, error) {
	return idempotency.Run(ctx, s.db, func(ctx context.Context, tx tx.Tx) (Cart, error) {
		c := Cart{ID: newID("c"), Lines: []Line{}, Total: new(int64)}
		now, err := clock.Now(ctx, tx)
		if err != nil {
			return c, err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO carts (id, changed_at) VALUES ($1, $2)`, c.ID, now.UnixMilli())
		return c, err
	})
}

// add puts a line into a cart. The catalogue is asked before the transaction, which
// would otherwise hold up others as long as catalog takes.
func (s *carts) add(ctx context.Context, cart, product string, quantity int) (Line, error) {
	l := Line{ID: newID("l"), Product: product, Quantity: quantity}
	known, found, err := s.products.Get(ctx, product)
	switch {
	case err != nil:
		s.log.WarnContext(ctx, "catalog could not be asked; a line is taken without its price", "product", product, "error", err)
	case !found:
		return l, problem.New(problem.Unprocessable, "there is no product %q", product).WithField("product", "unknown")
	default:
		l.Name, l.Price = known.GetName(), &known.PriceCents
	}
	return idempotency.Run(ctx, s.db, func(ctx context.Context, tx tx.Tx) (Line, error) {
		if err := touch(ctx, tx, cart); err != nil {
			return l, err
		}
		type lines struct{ last, present int }
		have, _, err := query.One(ctx, tx, func(n *lines) []any { return []any{&n.last, &n.present} }, `SELECT COALESCE(MAX(position), 0),
			COUNT(CASE WHEN quantity > 0 THEN 1 END) FROM cart_lines WHERE cart = $1`, cart)
		if err != nil {
			return l, err
		}
		if have.present >= maxLines {
			return l, problem.New(problem.Unprocessable, "the cart has %d lines; it takes no more", have.present)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO cart_lines (id, cart, position, product, name, price, quantity, request_key)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, l.ID, cart, have.last+1, l.Product, l.Name, l.Price, l.Quantity, requestKey(ctx))
		return l, err
	})
}

// setQuantity changes a line; 0 removes it, and may be repeated.
func (s *carts) setQuantity(ctx context.Context, cart, line string, quantity int) (Line, error) {
	return idempotency.Run(ctx, s.db, func(ctx context.Context, tx tx.Tx) (Line, error) {
		if err := touch(ctx, tx, cart); err != nil {
			return Line{}, err
		}
		_, err := tx.ExecContext(ctx, `UPDATE cart_lines SET quantity = $1 WHERE cart = $2 AND id = $3 AND quantity > 0`, quantity, cart, line)
		if err != nil {
			return Line{}, err
		}
		l, found, err := query.One(ctx, tx, fields, selectLines+`WHERE cart = $1 AND id = $2 AND quantity = $3`, cart, line, quantity)
		if err == nil && !found {
			err = problem.New(problem.NotFound, "cart %q has no line %q", cart, line)
		}
		return l, err
	})
}

// touch notes that a cart is in use. Its row is locked from here to the end of the
// transaction, so that a cart's changes come one after the other.
func touch(ctx context.Context, tx tx.Tx, cart string) error {
	now, err := clock.Now(ctx, tx)
	if err != nil {
		return err
	}
	found, err := query.Change(ctx, tx, `UPDATE carts SET changed_at = $1 WHERE id = $2`, now.UnixMilli(), cart)
	if err == nil && !found {
		err = noCart(cart)
	}
	return err
}

// clear removes lines that were ordered. What is gone already is fine.
func (s *carts) clear(ctx context.Context, cart string, lines []string) error {
	return tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		for _, line := range lines {
			if _, err := tx.ExecContext(ctx, `UPDATE cart_lines SET quantity = 0 WHERE cart = $1 AND id = $2`, cart, line); err != nil {
				return err
			}
		}
		return nil
	})
}

// sweep deletes the carts that nobody changed for so long, and the keys of requests
// that nobody repeats any more.
func (s *carts) sweep(ctx context.Context, unused time.Duration) error {
	now, err := clock.Now(ctx, s.db)
	if err != nil {
		return err
	}
	if _, err = s.db.ExecContext(ctx, `DELETE FROM carts WHERE changed_at < $1`, now.Add(-unused).UnixMilli()); err != nil {
		return err
	}
	_, err = idempotency.Sweep(ctx, s.db, 0)
	return err
}

func requestKey(ctx context.Context) string {
	r, _ := idempotency.FromContext(ctx)
	return r.Key
}

func noCart(id string) error {
	return problem.New(problem.NotFound, "there is no cart %q; one that is not used for long is removed", id)
}
