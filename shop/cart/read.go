package cart

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/tx"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	"github.com/musterdev/muster/shop/query"
)

const selectLines = `SELECT id, product, name, quantity, price FROM cart_lines `

func fields(l *Line) []any {
	return []any{&l.ID, &l.Product, &l.Name, &l.Quantity, &l.Price}
}

// get returns a cart, with prices that were not known before where catalog tells
// them now.
func (s *carts) get(ctx context.Context, id string) (Cart, error) {
	c, unpriced, err := s.load(ctx, id)
	if err != nil || len(unpriced) == 0 {
		return c, err
	}
	known, err := s.products.GetMany(ctx, unpriced)
	if err != nil {
		s.log.WarnContext(ctx, "catalog could not be asked; a cart is shown without all prices", "cart", id, "error", err)
		return c, nil
	}
	if err := s.fill(ctx, c, known); err != nil {
		return c, err
	}
	c, _, err = s.load(ctx, id)
	return c, err
}

// load returns a cart as it is stored, and its products without a price.
func (s *carts) load(ctx context.Context, id string) (c Cart, unpriced []string, err error) {
	err = tx.Read(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		_, found, err := query.One(ctx, tx, query.Value[string], `SELECT id FROM carts WHERE id = $1`, id)
		if err == nil && !found {
			err = noCart(id)
		}
		if err != nil {
			return err
		}
		c.Lines, err = query.All(ctx, tx, fields, selectLines+`WHERE cart = $1 AND quantity > 0 ORDER BY position`, id)
		return err
	})
	c.ID = id
	c.Lines = append([]Line{}, c.Lines...) // [] in JSON, never null
	var total int64
	for _, l := range c.Lines {
		if l.Price == nil {
			unpriced = append(unpriced, l.Product)
			continue
		}
		total += *l.Price * int64(l.Quantity)
	}
	if len(unpriced) == 0 {
		c.Total = &total
	}
	return c, unpriced, err
}

// fill writes what catalog knows into the lines without a price.
func (s *carts) fill(ctx context.Context, c Cart, known map[string]*catalogv1.Product) error {
	return tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		for _, l := range c.Lines {
			if l.Price != nil {
				continue
			}
			statement, args := `UPDATE cart_lines SET quantity = 0 WHERE id = $1 AND price IS NULL`, []any{l.ID}
			if p := known[l.Product]; p != nil {
				statement = `UPDATE cart_lines SET name = $2, price = $3 WHERE id = $1 AND price IS NULL`
				args = append(args, p.Name, p.PriceCents)
			}
			if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// today returns lines with the prices that catalog has now; while it cannot be asked, with
// those that were known.
func (s *carts) today(ctx context.Context, lines []Line) []Line {
	if len(lines) == 0 {
		return nil
	}
	products := make([]string, len(lines))
	for i, l := range lines {
		products[i] = l.Product
	}
	known, err := s.products.GetMany(ctx, products)
	if err != nil {
		s.log.WarnContext(ctx, "catalog could not be asked; a cart is ordered at the prices that were known", "error", err)
	}
	for i, l := range lines {
		if p := known[l.Product]; p != nil {
			lines[i].Name, lines[i].Price = p.GetName(), &p.PriceCents
		}
	}
	return lines
}
