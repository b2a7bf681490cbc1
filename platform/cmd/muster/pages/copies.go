package pages

import (
	"context"
	"maps"
	"slices"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/events"
)

// Copies are kept as search keeps its read model, by the same events, but can be mended by hand
// alone: nothing makes them anew.

func listed(ctx context.Context, t tx.Tx, e events.Listing) error {
	for _, p := range e.Products {
		if _, err := t.ExecContext(ctx, `INSERT INTO copies (id, name, category, price) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, category = excluded.category, price = excluded.price`, p.ID, p.Name, p.Category, p.Cents); err != nil {
			return err
		}
	}
	return nil
}

func available(ctx context.Context, t tx.Tx, e events.Stock) error {
	for _, l := range e.Levels {
		if _, err := t.ExecContext(ctx, `INSERT INTO copies (id, free, version) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET free = excluded.free, version = excluded.version WHERE copies.version < excluded.version`, l.Product, l.Free, l.Version); err != nil {
			return err
		}
	}
	return nil
}

func ordered(ctx context.Context, t tx.Tx, e events.Confirmation) error {
	of := map[string]bool{}
	for _, l := range e.Lines {
		of[l.Product] = true
	}
	for _, product := range slices.Sorted(maps.Keys(of)) {
		if _, err := t.ExecContext(ctx, `INSERT INTO copies (id, ordered) VALUES ($1, 1)
			ON CONFLICT (id) DO UPDATE SET ordered = copies.ordered + 1`, product); err != nil {
			return err
		}
	}
	return nil
}
