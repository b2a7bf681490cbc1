package verify

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/query"
	"github.com/musterdev/muster/shop/shopper"
)

// found is a product as search has it.
type found struct {
	catalog.Product

	free, ordered int64
}

// readSearch reads the build of the read model that its readers are given.
func (w *world) readSearch(ctx context.Context, tx *sql.Tx) error {
	build, ready, err := query.One(ctx, tx, query.Value[string],
		`SELECT build FROM muster_projection_build WHERE projection = 'search' AND state = 'live' ORDER BY code DESC, run DESC LIMIT 1`)
	if err != nil {
		return err
	}
	w.searched = true
	if !ready {
		return nil // nothing is found yet
	}
	return add(ctx, tx, &w.found, func(f *found) []any {
		return []any{&f.ID, &f.Name, &f.Category, &f.Price, &f.Description, &f.free, &f.ordered}
	}, `SELECT id, name, category, price, description, free, ordered FROM products_`+build+` ORDER BY id`)
}

// foundAsItIs makes search's rows anew of what those have whose events it was told, and compares.
func foundAsItIs(w *world, contradict func(string, ...any)) {
	if !w.searched {
		return // nobody searches
	}
	want := map[string]found{}
	for _, p := range w.products {
		want[p.ID] = found{Product: p}
	}
	for _, s := range w.stock {
		f := want[s.product]
		f.ID, f.free = s.product, s.free
		want[s.product] = f
	}
	for _, o := range w.orders {
		if o.state != shopper.Confirmed {
			continue
		}
		for product := range w.ordered[o.id] {
			f := want[product]
			f.ID = product
			f.ordered++
			want[product] = f
		}
	}
	for _, f := range w.found {
		if f != want[f.ID] {
			contradict("product %s is found as %+v, and is %+v", f.ID, f, want[f.ID])
		}
		delete(want, f.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		contradict("product %s is not found", id)
	}
}
