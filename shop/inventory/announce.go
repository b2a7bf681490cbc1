package inventory

import (
	"context"
	"database/sql"
	"slices"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/query"
)

// perEvent is how many products one event tells of when all are told.
const perEvent = 100

// Announce tells everybody once how many pieces of each product are free. Changes are told
// as they are made. Any number of replicas may call it at any time.
func (s *Server) Announce(ctx context.Context) error {
	return tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		first, err := query.Change(ctx, tx, `INSERT INTO announced (name) VALUES ('stock') ON CONFLICT DO NOTHING`)
		if err != nil || !first {
			return err
		}
		all, err := query.All(ctx, tx, level, `SELECT product, free, version FROM stock ORDER BY product`)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(all, perEvent) {
			if err := tell(ctx, tx, "", some); err != nil {
				return err
			}
		}
		return nil
	})
}

// tell has an event say how many pieces are free, once tx is committed.
func tell(ctx context.Context, tx tx.Tx, key string, levels []events.Level) error {
	if len(levels) == 0 {
		return nil
	}
	return outbox.Append(ctx, tx, events.StockAvailable, key, events.Stock{Levels: levels})
}

// levels are what statements that change stock return of it: see level.
const levels = ` RETURNING product, free, version`

func level(l *events.Level) []any { return []any{&l.Product, &l.Free, &l.Version} }
