// Package search answers what a page of products needs of three services, without asking
// any of them: what catalog sells, how much of it inventory has, and how often orders were
// made of it. It keeps a read model, made of their events, that may be thrown away at any
// time and is made anew while the old one is read.
package search

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/events"
)

// build is the version of this code: raise it when what is below changes, and all is read
// anew.
const build = 1

// products is the one table of the read model.
const products = "products"

// newModel returns the read model. Whoever has several of its rows to write does so by
// product, so that two never wait for each other.
func newModel(c projection.Config) (*projection.Projection, error) {
	c.Name, c.Build, c.Tables, c.Schema = "search", build, []string{products}, schema
	p, err := projection.New(c)
	if err != nil {
		return nil, err
	}
	for _, err := range []error{
		projection.On(p, events.ProductsListed, listed),
		projection.On(p, events.StockAvailable, available),
		projection.On(p, events.OrderConfirmed, ordered),
	} {
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// schema makes the table. A row is begun by whichever event of its product comes first;
// until catalog lists it, it has no words and is not found.
func schema(ctx context.Context, t tx.Tx, v projection.View) error {
	table := v.Name(products)
	for _, statement := range []string{
		`CREATE TABLE ` + table + ` (
			id          VARCHAR(100) PRIMARY KEY,
			name        TEXT    NOT NULL DEFAULT '',
			category    TEXT    NOT NULL DEFAULT '',
			price       BIGINT  NOT NULL DEFAULT 0, -- cents
			description TEXT    NOT NULL DEFAULT '',
			words       TEXT    NOT NULL DEFAULT '', -- what is searched, in small letters
			free        BIGINT  NOT NULL DEFAULT 0,
			version     BIGINT  NOT NULL DEFAULT 0, -- of free
			ordered     BIGINT  NOT NULL DEFAULT 0
		)`,
		`CREATE INDEX ` + table + `_by_price ON ` + table + ` (price, id)`,
		`CREATE INDEX ` + table + `_by_name ON ` + table + ` (name, id)`,
		`CREATE INDEX ` + table + `_by_ordered ON ` + table + ` (ordered, id)`,
	} {
		if _, err := t.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// listed has what catalog says last: its events have one order.
func listed(ctx context.Context, t tx.Tx, v projection.View, e events.Listing) error {
	for _, p := range e.Products {
		if _, err := t.ExecContext(ctx, `INSERT INTO `+v.Name(products)+` (id, name, category, price, description, words) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, category = excluded.category, price = excluded.price, description = excluded.description, words = excluded.words`,
			p.ID, p.Name, p.Category, p.Cents, p.Description, strings.ToLower(p.Name+" "+p.Category+" "+p.Description)); err != nil {
			return err
		}
	}
	return nil
}

// available has the latest of what inventory says, in whichever order it comes.
func available(ctx context.Context, t tx.Tx, v projection.View, e events.Stock) error {
	table := v.Name(products)
	for _, l := range e.Levels {
		if _, err := t.ExecContext(ctx, `INSERT INTO `+table+` (id, free, version) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET free = excluded.free, version = excluded.version WHERE `+table+`.version < excluded.version`,
			l.Product, l.Free, l.Version); err != nil {
			return err
		}
	}
	return nil
}

// ordered counts an order once for each of its products.
func ordered(ctx context.Context, t tx.Tx, v projection.View, e events.Confirmation) error {
	table, of := v.Name(products), map[string]bool{}
	for _, l := range e.Lines {
		of[l.Product] = true
	}
	for _, product := range slices.Sorted(maps.Keys(of)) {
		if _, err := t.ExecContext(ctx, `INSERT INTO `+table+` (id, ordered) VALUES ($1, 1)
			ON CONFLICT (id) DO UPDATE SET ordered = `+table+`.ordered + 1`, product); err != nil {
			return err
		}
	}
	return nil
}
