package catalog

import (
	"context"
	"database/sql"
	"slices"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/query"
)

// perEvent is how many products one event lists: a thousand events would say no more.
const perEvent = 100

// announce tells everybody once what there is, also where the catalogue was filled before
// it told anything. Any number of replicas may call it at any time.
func announce(ctx context.Context, db *sql.DB) error {
	return tx.Do(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
		first, err := query.Change(ctx, tx, `INSERT INTO seeds (name) VALUES ('announced') ON CONFLICT DO NOTHING`)
		if err != nil || !first {
			return err
		}
		all, err := query.All(ctx, tx, func(p *events.Product) []any {
			return []any{&p.ID, &p.Name, &p.Category, &p.Cents, &p.Description}
		}, selectProducts+`1 = 1 ORDER BY id`)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(all, perEvent) {
			if err := outbox.Append(ctx, tx, events.ProductsListed, "catalog", events.Listing{Products: some}); err != nil {
				return err
			}
		}
		return nil
	})
}
