package verify_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

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
// order o-2 failed, a lease that lives, and a ledger that says so.
func quiet(t *testing.T) (verify.Stores, shopper.Ledger) {
	t.Helper()
	s := verify.Stores{
		Catalog:   engines.SQLite(t, migrations(t, "catalog")),
		Cart:      engines.SQLite(t, migrations(t, "cart")),
		Inventory: engines.SQLite(t, migrations(t, "inventory")),
		Orders:    engines.SQLite(t, migrations(t, "orders")),
	}
	for _, db := range []*sql.DB{s.Catalog, s.Cart, s.Inventory, s.Orders} {
		db.SetMaxOpenConns(1) // a PRAGMA is for one connection
	}
	if err := catalog.Seed(t.Context(), s.Catalog); err != nil {
		t.Fatal(err)
	}
	do(t, s.Cart, `INSERT INTO carts VALUES ('c-1', 1)`,
		`INSERT INTO cart_lines VALUES ('l-1', 'c-1', 1, 'p-1001', 'A', 500, 0, 'k-1'), ('l-2', 'c-1', 2, 'p-1002', 'B', 250, 0, 'k-2'), ('l-3', 'c-1', 3, 'p-1003', 'C', 100, 4, '')`)
	do(t, s.Inventory, `UPDATE stock SET free = free - 2, sold = 2 WHERE product = 'p-1001'`, `UPDATE stock SET free = free - 1, sold = 1 WHERE product = 'p-1002'`,
		`INSERT INTO reservations VALUES ('o-1', 'confirmed', 1), ('o-2', 'released', 1)`,
		`INSERT INTO reservation_lines VALUES ('o-1', 'p-1001', 2), ('o-1', 'p-1002', 1), ('o-2', 'p-1003', 4)`)
	do(t, s.Orders, `INSERT INTO orders VALUES ('o-1', 'c-1', 'k-3', 'confirmed', '', 1250, 1, 1, 1, 1), ('o-2', 'c-1', '', 'failed', 'out of stock', 400, 2, 1, 1, 1)`,
		`INSERT INTO order_lines VALUES ('o-1', 'l-1', 'l-1', 'p-1001', 'A', 2, 500), ('o-1', 'l-2', 'l-2', 'p-1002', 'B', 1, 250), ('o-2', 'l-3', NULL, 'p-1003', 'C', 4, 100)`)
	return s, shopper.Ledger{
		Lines: []shopper.Line{
			{Key: "k-1", Cart: "c-1", ID: "l-1", Product: "p-1001", Quantity: 2},
			{Key: "k-2", Cart: "c-1", ID: "l-2", Product: "p-1002", Quantity: 1},
			{Key: "", Cart: "c-1", ID: "l-3", Product: "p-1003", Quantity: 4},
		},
		Orders: []shopper.Order{{Key: "k-3", Cart: "c-1", ID: "o-1"}},
	}
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
	if found := verify.Check(t.Context(), stores, ledger); len(found) > 0 {
		t.Errorf("%v", found)
	}
}

// Each row breaks one thing on purpose; the proof must name it. What else then no
// longer holds is told too, which is why others are allowed.
func TestEachInvariantCanBeSeenBroken(t *testing.T) {
	const (
		catalogDB = iota
		cartDB
		inventoryDB
		ordersDB
	)
	tests := []struct {
		invariant string
		store     int
		statement string
		fact      string
	}{
		{"the catalogue is as it was generated", catalogDB, `UPDATE products SET price = price + 1 WHERE id = 'p-1007'`, "product p-1007 is {"},
		{"the catalogue is as it was generated", catalogDB, `DELETE FROM products WHERE id = 'p-2000'`, "product p-2000 is missing"},
		{"the catalogue is as it was generated", catalogDB, `INSERT INTO products VALUES ('p-1', 'X', 'tea', 1, '')`, "product p-1 is {"},

		{"the same key twice is one cart line", cartDB, `INSERT INTO cart_lines VALUES ('l-9', 'c-1', 9, 'p-1001', 'A', 500, 2, 'k-1')`, "key k-1 made the lines l-1 and l-9"},
		{"an acknowledged cart line is there once", cartDB, `DELETE FROM cart_lines WHERE id = 'l-2'`, "line l-2 of cart c-1"},
		{"an acknowledged cart line is there once", cartDB, `UPDATE cart_lines SET product = 'p-1009' WHERE id = 'l-2'`, "line l-2 was acknowledged as"},
		{"an acknowledged cart line is there once", cartDB, `UPDATE cart_lines SET quantity = 5 WHERE id = 'l-3'`, "line l-3 was acknowledged with 4"},

		{"stock is never negative", inventoryDB, `UPDATE stock SET free = -1, sold = 1000001 WHERE product = 'p-1005'`, "product p-1005: -1 free"},
		{"initial stock = free + reserved + sold", inventoryDB, `UPDATE stock SET free = free - 1 WHERE product = 'p-1005'`, "product p-1005: 1000000 initially, now 999999 free"},
		{"reserved stock = the pieces of live leases", inventoryDB, `UPDATE stock SET free = free - 1, reserved = 1 WHERE product = 'p-1005'`, "product p-1005: 1 reserved, 0 leased"},
		{"reserved stock = the pieces of live leases", inventoryDB, `UPDATE reservations SET state = 'held' WHERE key = 'o-2'`, "product p-1003: 0 reserved, 4 leased"},
		{"reserved stock = the pieces of live leases", inventoryDB, `INSERT INTO reservations VALUES ('o-3', 'held', 1); INSERT INTO reservation_lines VALUES ('o-3', 'p-9', 4)`, "product p-9 is leased (4)"},
		{"sold stock = the lines of confirmed orders", inventoryDB, `UPDATE stock SET free = free - 1, sold = 1 WHERE product = 'p-1005'`, "product p-1005: 1 sold, 0 in confirmed orders"},
		{"sold stock = the lines of confirmed orders", ordersDB, `UPDATE order_lines SET product = 'p-9' WHERE cart_line = 'l-1'`, "product p-9 is ordered (2)"},

		{"every order ends, and its cart is cleared", ordersDB, `UPDATE orders SET state = 'pending' WHERE id = 'o-2'`, "order o-2 is still pending"},
		{"every order ends, and its cart is cleared", ordersDB, `UPDATE orders SET settled = 0 WHERE id = 'o-1'`, "its cart c-1 is not cleared"},
		{"a confirmed order has one confirmed reservation of its lines", inventoryDB, `UPDATE reservations SET state = 'held' WHERE key = 'o-1'`, `order o-1 is confirmed and its reservation is "held"`},
		{"a confirmed order has one confirmed reservation of its lines", inventoryDB, `DELETE FROM reservations WHERE key = 'o-1'`, `order o-1 is confirmed and its reservation is ""`},
		{"a confirmed order has one confirmed reservation of its lines", inventoryDB, `DELETE FROM reservation_lines WHERE key = 'o-1' AND product = 'p-1002'`, "order o-1 is of map["},
		{"a failed order has none, and no reservation is without its order", inventoryDB, `UPDATE reservations SET state = 'confirmed' WHERE key = 'o-2'`, `reservation o-2 is confirmed and its order is "failed"`},
		{"a failed order has none, and no reservation is without its order", inventoryDB, `INSERT INTO reservations VALUES ('o-9', 'held', 1)`, `reservation o-9 is held and its order is ""`},
		{"a cart line is sold once", ordersDB, `UPDATE orders SET state = 'pending' WHERE id = 'o-2'; INSERT INTO order_lines VALUES ('o-2', 'l-1', NULL, 'p-1001', 'A', 1, 500)`, "cart line l-1 is in more than one order"},
		{"an order costs what its lines cost", ordersDB, `UPDATE orders SET total = 1 WHERE id = 'o-2'`, "order o-2 costs 1, its lines 400"},

		{"the same key twice is one order", ordersDB, `INSERT INTO orders VALUES ('o-8', 'c-1', 'k-3', 'failed', '', 0, 3, 1, 1, 1)`, "key k-3 made the orders o-1 and o-8"},
		{"an acknowledged order is there, confirmed", ordersDB, `DELETE FROM orders WHERE id = 'o-1'`, `order o-1 (key "k-3") was acknowledged and is missing`},
		{"an acknowledged order is there, confirmed", ordersDB, `UPDATE orders SET state = 'failed' WHERE id = 'o-1'`, "order o-1 was acknowledged as"},
		{"an acknowledged order is there, confirmed", ordersDB, `UPDATE orders SET request_key = 'k-8' WHERE id = 'o-1'`, `by key "k-8"`},
		{"every store can be read", ordersDB, `DROP TABLE orders`, "orders: "},
	}
	broken := map[string]bool{}
	for _, tc := range tests {
		broken[tc.invariant] = true
		t.Run(tc.fact, func(t *testing.T) {
			stores, ledger := quiet(t)
			do(t, []*sql.DB{stores.Catalog, stores.Cart, stores.Inventory, stores.Orders}[tc.store], strings.Split(tc.statement, "; ")...)
			found := verify.Check(t.Context(), stores, ledger)
			if !slices.ContainsFunc(found, func(v verify.Violation) bool {
				return v.Invariant == tc.invariant && strings.Contains(v.Fact, tc.fact)
			}) {
				t.Errorf("found %v, want %q: …%s…", found, tc.invariant, tc.fact)
			}
		})
	}
	for _, name := range verify.Invariants() {
		if !broken[name] {
			t.Errorf("no test breaks %q", name)
		}
	}
}

func TestManyFactsAreCounted(t *testing.T) {
	stores, ledger := quiet(t)
	do(t, stores.Catalog, `UPDATE products SET price = price + 1`)
	found := verify.Check(t.Context(), stores, ledger)
	if len(found) != 11 || found[10].String() != "the catalogue is as it was generated: and 990 more" {
		t.Errorf("%d violations, the last is %v", len(found), found[len(found)-1])
	}
}

func ExampleCheck() {
	prove := func(ctx context.Context, stores verify.Stores, promised shopper.Ledger) {
		for _, v := range verify.Check(ctx, stores, promised) {
			fmt.Println(v)
		}
	}
	_ = prove
	fmt.Println(verify.Violation{Invariant: "stock is never negative", Fact: "product p-1005: -1 free, 0 reserved, 1 sold"})
	// Output: stock is never negative: product p-1005: -1 free, 0 reserved, 1 sold
}
