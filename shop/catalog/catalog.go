// Package catalog is the service that owns what the shop sells. It shows lists by
// cursor with filters and sorting, entity tags, short-lived caches of whole answers
// and of products, and a database filled once by whichever replica comes first.
package catalog

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/cache"
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

// store reads products from the database.
type store struct{ db *sql.DB }

// products are the store with a memory: of those who look up a product at the same time
// one asks the database, and what is known is at most ttl old. No product changes while
// the service runs, so time alone drops them; 0 keeps nothing.
type products struct {
	store
	near *cache.Cache[Product]
}

func newProducts(s store, ttl time.Duration) (products, error) {
	cfg := cache.Config[Product]{Name: "catalog.products", Load: s.batch, TTL: ttl, Negative: ttl}
	if ttl == 0 {
		cfg.TTL = -1
	}
	near, err := cache.New(cfg)
	return products{s, near}, err
}

func (s products) get(ctx context.Context, id string) (Product, error) {
	p, found, err := s.near.Get(ctx, id)
	if err == nil && !found {
		err = problem.New(problem.NotFound, "there is no product %q", id)
	}
	return p, err
}

// known returns the products known among ids, by id.
func (s products) known(ctx context.Context, ids []string) ([]Product, error) {
	known, err := s.near.GetMany(ctx, ids)
	return slices.SortedFunc(maps.Values(known), func(a, b Product) int { return strings.Compare(a.ID, b.ID) }), err
}

const selectProducts = `SELECT id, name, category, price, description FROM products WHERE `

func fields(p *Product) []any {
	return []any{&p.ID, &p.Name, &p.Category, &p.Price, &p.Description}
}

// batch returns the products known among ids, of which there is at least one.
func (s store) batch(ctx context.Context, ids []string) (map[string]Product, error) {
	in, args := query.In(ids)
	products, err := query.All(ctx, s.db, fields, selectProducts+`id `+in, args...)
	known := make(map[string]Product, len(products))
	for _, p := range products {
		known[p.ID] = p
	}
	return known, err
}

func (s store) list(ctx context.Context, q page.Query) (page.Page[Product], error) {
	where, args := q.Where()
	products, err := query.All(ctx, s.db, fields, selectProducts+where+q.OrderBy()+q.Limit(), args...)
	if err != nil {
		return page.Page[Product]{}, err
	}
	return page.Of(q, products)
}
