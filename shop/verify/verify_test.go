package verify_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

// migrations reads a service's own, so that the proof is tried on the real tables.
func migrations(t *testing.T, service string) fs.FS {
	t.Helper()
	return os.DirFS("../" + service + "/migrations")
}

// quiet is a small shop in which everything holds: order o-1 of two lines confirmed,
// order o-2 failed because the card was declined, order o-3 because it was cancelled
// after it had been paid, and a ledger that says so.
func quiet(t *testing.T) (verify.Stores, shopper.Ledger) {
	t.Helper()
	none := fstest.MapFS{"00001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")}}
	s := verify.Stores{
		Catalog:   engines.SQLite(t, migrations(t, "catalog")),
		Cart:      engines.SQLite(t, migrations(t, "cart")),
		Inventory: engines.SQLite(t, migrations(t, "inventory")),
		Orders:    engines.SQLite(t, migrations(t, "orders")),
		Payments:  engines.SQLite(t, migrations(t, "payments")),
		Shipping:  engines.SQLite(t, migrations(t, "shipping")),
		Card:      engines.SQLite(t, migrations(t, "card")),
		Search:    engines.SQLite(t, none),
		Broker:    engines.SQLite(t, none),
		Mails:     mails(t),
	}
	for _, own := range []struct {
		migrate func(context.Context, *sql.DB) error
		of      []*sql.DB
	}{
		{saga.Migrate, []*sql.DB{s.Orders, s.Payments}},
		{outbox.Migrate, []*sql.DB{s.Catalog, s.Inventory, s.Orders, s.Payments, s.Shipping}},
		{parking.Migrate, []*sql.DB{s.Orders, s.Payments, s.Shipping, s.Search, s.Broker}},
		{projection.Migrate, []*sql.DB{s.Search}},
	} {
		for _, db := range own.of {
			if err := own.migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, db := range all(&s) {
		(*db).SetMaxOpenConns(1) // a PRAGMA is for one connection
	}
	if err := catalog.Seed(t.Context(), s.Catalog); err != nil {
		t.Fatal(err)
	}
	do(t, s.Cart, `INSERT INTO carts VALUES ('c-1', 1), ('c-2', 1)`,
		`INSERT INTO cart_lines VALUES ('l-1', 'c-1', 1, 'p-1001', 'A', 500, 0, 'k-1'), ('l-2', 'c-1', 2, 'p-1002', 'B', 250, 0, 'k-2'), ('l-3', 'c-1', 3, 'p-1003', 'C', 100, 4, '')`,
		`INSERT INTO cart_lines VALUES ('l-4', 'c-2', 1, 'p-1001', 'A', 500, 1, 'k-1')`)
	do(t, s.Inventory, `UPDATE stock SET free = free - 2, sold = 2 WHERE product = 'p-1001'`, `UPDATE stock SET free = free - 1, sold = 1 WHERE product = 'p-1002'`,
		`INSERT INTO reservations VALUES ('o-1', 'confirmed', 1), ('o-2', 'released', 1), ('o-3', 'released', 1)`,
		`INSERT INTO reservation_lines VALUES ('o-1', 'p-1001', 2), ('o-1', 'p-1002', 1), ('o-2', 'p-1003', 4), ('o-3', 'p-1001', 1)`)
	do(t, s.Orders, `INSERT INTO orders (id, cart, request_key, state, reason, total, created_at, cancelled) VALUES
			('o-1', 'c-1', 'k-3', 'confirmed', '', 1250, 1, 0), ('o-2', 'c-1', '', 'failed', 'declined', 400, 2, 0), ('o-3', 'c-2', 'k-5', 'failed', 'cancelled', 500, 3, 1)`,
		`INSERT INTO order_lines VALUES ('o-1', 'l-1', 'l-1', 'p-1001', 'A', 2, 500), ('o-1', 'l-2', 'l-2', 'p-1002', 'B', 1, 250), ('o-2', 'l-3', NULL, 'p-1003', 'C', 4, 100), ('o-3', 'l-4', NULL, 'p-1001', 'A', 1, 500)`,
		insertSaga("checkout", "o-1", "completed", ""), insertSaga("checkout", "o-2", "compensated", ""), insertSaga("checkout", "o-3", "compensated", ""))
	do(t, s.Payments, `INSERT INTO payments VALUES ('o-1', 'captured', 1250, 'ch-1', '', 1), ('o-2', 'declined', 400, '', 'no', 1), ('o-3', 'refunded', 500, 'ch-3', '', 1)`,
		insertSaga("charge", "o-1", "completed", ""))
	do(t, s.Card, `INSERT INTO charges VALUES ('ch/o-1', 'o-1', 1250, 'captured', 1), ('ch/o-2', 'o-2', 400, 'declined', 1), ('ch/o-3', 'o-3', 500, 'captured', 1)`,
		`INSERT INTO refunds VALUES ('re/o-3', 'o-3', 500, 1)`,
		`INSERT INTO calls VALUES ('1', 'charge', 'ch/o-1', 'timeout', 1), ('2', 'charge', 'ch/o-1', 'plain', 2), ('3', 'charge', 'ch/o-2', 'decline', 1),
			('4', 'charge', 'ch/o-3', 'plain', 1), ('5', 'refund', 're/o-3', 'timeout', 1), ('6', 'refund', 're/o-3', 'plain', 1)`)
	do(t, s.Shipping, `INSERT INTO parcels VALUES ('b-1', 'o-1', 3, 1)`)
	copied(t, s.Search)
	return s, shopper.Ledger{
		Lines: []shopper.Line{
			{Key: "k-1", Cart: "c-1", ID: "l-1", Product: "p-1001", Quantity: 2},
			{Key: "k-2", Cart: "c-1", ID: "l-2", Product: "p-1002", Quantity: 1},
			{Key: "", Cart: "c-1", ID: "l-3", Product: "p-1003", Quantity: 4},
		},
		Orders: []shopper.Order{
			{Key: "k-3", Cart: "c-1", ID: "o-1", State: shopper.Confirmed, Cancel: 409},
			{Key: "", Cart: "c-1", ID: "o-2", State: shopper.Pending},
			{Key: "k-5", Cart: "c-2", ID: "o-3", State: shopper.Failed, Cancel: 202},
		},
	}
}

// copied fills search with what catalog, inventory and orders have.
func copied(t *testing.T, db *sql.DB) {
	t.Helper()
	do(t, db, `INSERT INTO muster_projection_build (projection, build, code, run, state, tables, began, seen) VALUES
			('search', 'b1', 1, 1, 'dropped', '', 1, 1), ('search', 'b1_2', 1, 2, 'live', '', 1, 1), ('search', 'b2', 2, 1, 'building', '', 1, 1)`,
		`CREATE TABLE products_b1_2 (id TEXT, name TEXT, category TEXT, price BIGINT, description TEXT, free BIGINT, ordered BIGINT)`)
	free := map[string]int{"p-1001": 2, "p-1002": 1} // fewer than a million
	if err := tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		for _, p := range catalog.Generate() {
			if _, err := tx.ExecContext(ctx, `INSERT INTO products_b1_2 VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				p.ID, p.Name, p.Category, p.Price, p.Description, 1_000_000-free[p.ID], min(free[p.ID], 1)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func all(s *verify.Stores) map[string]**sql.DB {
	return map[string]**sql.DB{
		"catalog": &s.Catalog, "cart": &s.Cart, "inventory": &s.Inventory, "orders": &s.Orders,
		"payments": &s.Payments, "shipping": &s.Shipping, "card": &s.Card, "search": &s.Search, "broker": &s.Broker,
	}
}

func insertSaga(name, id, state, owner string) string {
	return fmt.Sprintf(`INSERT INTO muster_saga VALUES ('%s', '%s', 1, '%s', 0, 'end', 0, 0, 0, '', 1, '%s', 0, 0, '', '', 1, '', 1, 1, 0, '')`, name, id, state, owner)
}

// mails makes a folder of the mails of the quiet shop, two that were never finished,
// and some more.
func mails(t *testing.T, more ...string) string {
	t.Helper()
	folder := t.TempDir()
	for _, mail := range append(more, "o-1.confirmed.json", "o-2.failed.json", "o-3.failed.json", ".o-1.confirmed.json.1", "o-1.confirmed.json.tmp") {
		if err := os.WriteFile(filepath.Join(folder, mail), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// do runs statements, with the tables' own constraints out of the way: the proof
// must see what they would have prevented.
func do(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range slices.Concat([]string{`PRAGMA ignore_check_constraints = ON`, `PRAGMA foreign_keys = OFF`}, statements) {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestAQuietShopHolds(t *testing.T) {
	stores, ledger := quiet(t)
	got := verify.Check(t.Context(), stores, ledger)
	if len(got.Violations) > 0 {
		t.Errorf("%v", got.Violations)
	}
	want := verify.Report{
		Confirmed: 1, Compensated: 2,
		Money:   verify.Money{Captured: 1750, Refunded: 500, Sold: 1250},
		Charges: verify.Charges{Total: 3, Declined: 1, TimedOut: 1, Retried: 1},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Where nobody mails and nothing is pushed, that is no violation.
func TestWhatIsLeftOutIsNotMissed(t *testing.T) {
	stores, ledger := quiet(t)
	stores.Mails, stores.Broker, stores.Search = "", nil, nil
	if got := verify.Check(t.Context(), stores, ledger); len(got.Violations)+got.Lost+got.Duplicated > 0 {
		t.Errorf("%+v", got)
	}
	stores.Card = nil
	if got := verify.Check(t.Context(), stores, ledger); fmt.Sprint(got.Violations) != "[every store can be read: card: there is no database]" {
		t.Errorf("%+v", got)
	}
}

func TestManyFactsAreCounted(t *testing.T) {
	stores, ledger := quiet(t)
	do(t, stores.Catalog, `UPDATE products SET price = price + 1`)
	found := verify.Check(t.Context(), stores, ledger).Violations
	if len(found) != 22 || found[10].String() != "the catalogue is as it was generated: and 990 more" {
		t.Errorf("%d violations, the last is %v", len(found), found[min(10, len(found)-1)])
	}
}

func ExampleCheck() {
	prove := func(ctx context.Context, stores verify.Stores, promised shopper.Ledger) {
		for _, v := range verify.Check(ctx, stores, promised).Violations {
			fmt.Println(v)
		}
	}
	_ = prove
	fmt.Println(verify.Violation{Invariant: "stock is never negative", Fact: "product p-1005: -1 free, 0 reserved, 1 sold"})
	// Output: stock is never negative: product p-1005: -1 free, 0 reserved, 1 sold
}
