// Package catalog is the service that owns what the shop sells. It shows lists by
// cursor with filters and sorting, entity tags, a short-lived cache of whole
// answers, and a database filled once by whichever replica comes first.
package catalog

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// list is what a list of products can be filtered and sorted by.
var list = page.Spec{
	Key: "id",
	Fields: []page.Field{
		{Name: "id", Filter: page.Equality, Sort: true},
		{Name: "name", Filter: page.Text, Sort: true},
		{Name: "category", Filter: page.Equality},
		{Name: "price", Kind: page.Int, Filter: page.Range, Sort: true, Doc: "In cents."},
	},
}

// Seed fills an empty catalogue. Any number of replicas may call it at any time:
// the first one's transaction puts in everything, the others wait for it and do nothing.
func Seed(ctx context.Context, db *sql.DB) error {
	return tx.Do(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
		first, err := query.Change(ctx, tx, `INSERT INTO seeds (name) VALUES ('products') ON CONFLICT DO NOTHING`)
		if err != nil || !first {
			return err
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO products (id, name, category, price, description) VALUES ($1, $2, $3, $4, $5)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, p := range Generate() {
			if _, err := insert.ExecContext(ctx, p.ID, p.Name, p.Category, p.Price, p.Description); err != nil {
				return fmt.Errorf("seed the catalogue with %s: %w", p.ID, err)
			}
		}
		return nil
	})
}

// store reads products.
type store struct{ db *sql.DB }

const selectProducts = `SELECT id, name, category, price, description FROM products WHERE `

func fields(p *Product) []any {
	return []any{&p.ID, &p.Name, &p.Category, &p.Price, &p.Description}
}

func (s store) get(ctx context.Context, id string) (Product, error) {
	p, found, err := query.One(ctx, s.db, fields, selectProducts+`id = $1`, id)
	if err == nil && !found {
		err = problem.New(problem.NotFound, "there is no product %q", id)
	}
	return p, err
}

// batch returns the products known among ids, of which there is at least one.
func (s store) batch(ctx context.Context, ids []string) ([]Product, error) {
	in, args := query.In(ids)
	return query.All(ctx, s.db, fields, selectProducts+`id `+in+` ORDER BY id`, args...)
}

func (s store) list(ctx context.Context, q page.Query) (page.Page[Product], error) {
	where, args := q.Where()
	products, err := query.All(ctx, s.db, fields, selectProducts+where+q.OrderBy()+q.Limit(), args...)
	if err != nil {
		return page.Page[Product]{}, err
	}
	return page.Of(q, products)
}
