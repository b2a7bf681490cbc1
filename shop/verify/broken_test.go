package verify_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

// Each row breaks one thing on purpose, by statements on one store or a mail more or
// less; the proof must name it. What else then no longer holds is told too, which is
// why others are allowed.
var breaks = []struct {
	invariant string
	store     string
	statement string
	fact      string

	lost, duplicated int
}{
	{"the catalogue is as it was generated", "catalog", `UPDATE products SET price = price + 1 WHERE id = 'p-1007'`, "product p-1007 is {", 0, 0},
	{"the catalogue is as it was generated", "catalog", `DELETE FROM products WHERE id = 'p-2000'`, "product p-2000 is missing", 0, 0},
	{"the catalogue is as it was generated", "catalog", `INSERT INTO products VALUES ('p-1', 'X', 'tea', 1, '')`, "product p-1 is {", 0, 0},

	{"the same key twice is one cart line", "cart", `INSERT INTO cart_lines VALUES ('l-9', 'c-1', 9, 'p-1001', 'A', 500, 2, 'k-1')`, "key k-1 made the lines l-1 and l-9", 0, 0},
	{"an acknowledged cart line is there once", "cart", `DELETE FROM cart_lines WHERE id = 'l-2'`, "line l-2 of cart c-1", 0, 0},
	{"an acknowledged cart line is there once", "cart", `UPDATE cart_lines SET product = 'p-1009' WHERE id = 'l-2'`, "line l-2 was acknowledged as", 0, 0},
	{"an acknowledged cart line is there once", "cart", `UPDATE cart_lines SET quantity = 5 WHERE id = 'l-3'`, "line l-3 was acknowledged with 4", 0, 0},
	{"a cart line is sold once", "orders", `UPDATE orders SET state = 'pending' WHERE id = 'o-2'; INSERT INTO order_lines VALUES ('o-2', 'l-1', NULL, 'p-1001', 'A', 1, 500)`, "cart line l-1 is in more than one order", 1, 1},
	{"what was sold is out of its cart", "cart", `UPDATE cart_lines SET quantity = 2 WHERE id = 'l-1'`, "line l-1 was sold by order o-1 and is still in cart c-1", 0, 0},

	{"stock is never negative", "inventory", `UPDATE stock SET free = -1, sold = 1000001 WHERE product = 'p-1005'`, "product p-1005: -1 free", 0, 0},
	{"initial stock = free + reserved + sold", "inventory", `UPDATE stock SET free = free - 1 WHERE product = 'p-1005'`, "product p-1005: 1000000 initially, now 999999 free", 0, 0},
	{"reserved stock = the pieces of live leases", "inventory", `UPDATE stock SET free = free - 1, reserved = 1 WHERE product = 'p-1005'`, "product p-1005: 1 reserved, 0 leased", 0, 0},
	{"reserved stock = the pieces of live leases", "inventory", `UPDATE reservations SET state = 'held' WHERE key = 'o-2'`, "product p-1003: 0 reserved, 4 leased", 0, 0},
	{"reserved stock = the pieces of live leases", "inventory", `INSERT INTO reservations VALUES ('o-4', 'held', 1); INSERT INTO reservation_lines VALUES ('o-4', 'p-9', 4)`, "product p-9 is leased (4)", 0, 0},
	{"sold stock = the lines of confirmed orders", "inventory", `UPDATE stock SET free = free - 1, sold = 1 WHERE product = 'p-1005'`, "product p-1005: 1 sold, 0 in confirmed orders", 0, 0},
	{"sold stock = the lines of confirmed orders", "orders", `UPDATE order_lines SET product = 'p-9' WHERE cart_line = 'l-1'`, "product p-9 is ordered (2)", 0, 0},
	{"a confirmed order has one confirmed reservation of its lines", "inventory", `UPDATE reservations SET state = 'held' WHERE key = 'o-1'`, `order o-1 is confirmed and its reservation is "held"`, 0, 0},
	{"a confirmed order has one confirmed reservation of its lines", "inventory", `DELETE FROM reservations WHERE key = 'o-1'`, `order o-1 is confirmed and its reservation is ""`, 0, 0},
	{"a confirmed order has one confirmed reservation of its lines", "inventory", `DELETE FROM reservation_lines WHERE key = 'o-1' AND product = 'p-1002'`, "order o-1 is of map[", 0, 0},
	{"a failed order has none, and no reservation is without its order", "inventory", `UPDATE reservations SET state = 'confirmed' WHERE key = 'o-2'`, `reservation o-2 is confirmed and its order is "failed"`, 0, 0},
	{"a failed order has none, and no reservation is without its order", "inventory", `INSERT INTO reservations VALUES ('o-9', 'held', 1)`, `reservation o-9 is held and its order is ""`, 0, 0},

	{"the same key twice is one order", "orders", `INSERT INTO orders (id, cart, request_key, state, reason, total, created_at) VALUES ('o-8', 'c-1', 'k-3', 'failed', '', 0, 3)`, "key k-3 made the orders o-1 and o-8", 0, 1},
	{"an accepted order is there", "orders", `DELETE FROM orders WHERE id = 'o-1'`, `order o-1 (key "k-3") was accepted and is missing`, 1, 0},
	{"an accepted order is there", "orders", `UPDATE orders SET request_key = 'k-8' WHERE id = 'o-1'`, `by key "k-8"`, 0, 0},
	{"an accepted order is there", "orders", `UPDATE orders SET cart = 'c-2' WHERE id = 'o-1'`, `and is of cart c-2`, 0, 0},
	{"every order ends", "orders", `UPDATE orders SET state = 'pending' WHERE id = 'o-2'`, "order o-2 is still pending", 1, 0},
	{"what a shopper was told of an order's end stays so", "orders", `UPDATE orders SET state = 'failed' WHERE id = 'o-1'`, "order o-1 was shown as confirmed and is failed", 0, 0},
	{"an order whose cancellation was accepted is not confirmed", "orders", `UPDATE orders SET state = 'confirmed' WHERE id = 'o-3'`, "order o-3 was cancelled and is confirmed", 1, 0},
	{"an order whose cancellation was accepted is not confirmed", "orders", `UPDATE orders SET cancelled = 0 WHERE id = 'o-3'`, "order o-3 was cancelled and does not know it", 0, 0},
	{"an order costs what its lines cost", "orders", `UPDATE orders SET total = 1 WHERE id = 'o-2'`, "order o-2 costs 1, its lines 400", 0, 0},

	{"captured - refunded = the total of confirmed orders", "card", `DELETE FROM refunds`, "1750 cents captured - 0 refunded = 1750, and confirmed orders cost 1250", 0, 0},
	{"an order is charged once at most and refunded once at most", "card", `INSERT INTO charges VALUES ('again', 'o-1', 1250, 'captured', 1)`, "order o-1 was charged 2 times and refunded 0 times", 0, 1},
	{"an order is charged once at most and refunded once at most", "card", `INSERT INTO refunds VALUES ('again', 'o-3', 500, 1), ('third', 'o-3', 500, 1)`, "order o-3 was charged 1 times and refunded 3 times", 0, 2},
	{"a confirmed order is paid, of any other nothing is kept", "card", `UPDATE charges SET state = 'declined' WHERE reference = 'o-1'`, "order o-1 of 1250 cents is confirmed, and 0 cents are kept of it", 1, 0},
	{"a confirmed order is paid, of any other nothing is kept", "card", `UPDATE charges SET state = 'captured' WHERE reference = 'o-2'`, "order o-2 of 400 cents is failed, and 400 cents are kept of it", 0, 0},
	{"a confirmed order is paid, of any other nothing is kept", "card", `INSERT INTO charges VALUES ('ch/o-9', 'o-9', 7, 'captured', 1)`, `7 cents were captured and 0 refunded for order "o-9", which is not there`, 0, 0},
	{"payments say what the card processor says", "payments", `UPDATE payments SET state = 'requested' WHERE order_id = 'o-2'`, "the payment of order o-2 is still requested", 0, 0},
	{"payments say what the card processor says", "payments", `UPDATE payments SET state = 'captured' WHERE order_id = 'o-3'`, "the payment of order o-3 is captured (500 cents), and the processor has captured 1 (500 cents) and refunded 1 (500 cents)", 0, 0},
	{"payments say what the card processor says", "payments", `UPDATE payments SET state = 'void' WHERE order_id = 'o-1'`, "the payment of order o-1 is void, and the order is confirmed", 0, 0},
	{"payments say what the card processor says", "payments", `DELETE FROM payments WHERE order_id = 'o-1'`, `the processor was asked for order "o-1" and payments does not know it`, 0, 0},

	{"a confirmed order ships once, any other never", "shipping", `DELETE FROM parcels`, "order o-1 is confirmed and has no parcel", 1, 0},
	{"a confirmed order ships once, any other never", "shipping", `INSERT INTO parcels VALUES ('b-2', 'o-2', 4, 1)`, "order o-2 is failed and has the parcels [b-2]", 0, 0},
	{"a confirmed order ships once, any other never", "shipping", `INSERT INTO parcels VALUES ('b-9', 'o-9', 4, 1)`, `order "o-9" has the parcels [b-9] and is not there`, 0, 0},
	{"a confirmed order ships once, any other never", "shipping", `UPDATE parcels SET pieces = 2`, "order o-1 is of 3 pieces and its parcel of 2", 0, 0},
	{"a confirmed order ships once, any other never", "shipping", `CREATE TABLE other AS SELECT * FROM parcels; DROP TABLE parcels; ALTER TABLE other RENAME TO parcels; INSERT INTO parcels VALUES ('b-2', 'o-1', 3, 1)`, "order o-1 has the parcels [b-1 b-2]", 0, 1},
	{"an order's end is mailed once", "-mail", "o-1.confirmed.json", "order o-1 is confirmed and nobody was told", 1, 0},
	{"an order's end is mailed once", "-mail", "o-2.failed.json", "order o-2 is failed and nobody was told", 0, 0},
	{"an order's end is mailed once", "+mail", "o-1.failed.json", "order o-1 is confirmed and mailed was [confirmed failed]", 0, 1},
	{"an order's end is mailed once", "+mail", "o-9.failed.json", `mailed was [failed] of order "o-9", which is not there`, 0, 0},

	{"search finds what catalog, inventory and orders have, row for row", "search", `UPDATE products_b1_2 SET free = 7 WHERE id = 'p-1001'`, "product p-1001 is found as {", 0, 0},
	{"search finds what catalog, inventory and orders have, row for row", "search", `UPDATE products_b1_2 SET ordered = 2 WHERE id = 'p-1002'`, "product p-1002 is found as {", 0, 0},
	{"search finds what catalog, inventory and orders have, row for row", "search", `DELETE FROM products_b1_2 WHERE id = 'p-1005'`, "product p-1005 is not found", 0, 0},
	{"search finds what catalog, inventory and orders have, row for row", "search", `UPDATE muster_projection_build SET state = 'building'`, "product p-1001 is not found", 0, 0},
	{"search finds what catalog, inventory and orders have, row for row", "inventory", `UPDATE stock SET initial = initial + 1, free = free + 1 WHERE product = 'p-1009'`, "product p-1009 is found as {", 0, 0},

	{"every saga ends and every lease is free", "orders", `UPDATE muster_saga SET state = 'waiting', step = 'pay' WHERE id = 'o-1'`, "saga checkout of order o-1 (orders) is waiting in step pay", 0, 0},
	{"every saga ends and every lease is free", "payments", `UPDATE muster_saga SET state = 'paused'`, "saga charge of order o-1 (payments) is paused", 0, 0},
	{"every saga ends and every lease is free", "orders", `UPDATE muster_saga SET owner = 'orders-2' WHERE id = 'o-1'`, "saga checkout of order o-1 (orders) is completed and held by orders-2", 0, 0},
	{"an order ends as its saga does", "orders", `UPDATE muster_saga SET state = 'compensated' WHERE id = 'o-1'`, `order o-1 is confirmed and its saga "compensated"`, 0, 0},
	{"an order ends as its saga does", "orders", `DELETE FROM muster_saga WHERE id = 'o-2'`, `order o-2 is failed and its saga ""`, 0, 0},
	{"an order ends as its saga does", "orders", insertSaga("checkout", "o-9", "completed", ""), "saga o-9 is completed and its order is not there", 0, 0},
	{"every event is published", "payments", `INSERT INTO muster_outbox (topic, key, attributes, data) VALUES ('payments.captured', 'o-1', '{}', '')`, "payments did not publish payments.captured of order o-1: not yet", 0, 0},
	{"every event is published", "shipping", `INSERT INTO muster_outbox (topic, key, attributes, data, error) VALUES ('shipping.booked', 'o-1', '{}', '', 'too large')`, "shipping did not publish shipping.booked of order o-1: the broker refused it: too large", 0, 0},
	{"no event is parked or dead", "broker", park("false", "no answer"), "orders.confirmed of order o-1 is parked at broker: no answer", 0, 0},
	{"no event is parked or dead", "shipping", park("true", "nonsense"), "orders.confirmed of order o-1 is dead at shipping: nonsense", 0, 0},

	{"every store can be read", "orders", `DROP TABLE orders`, "orders: ", 0, 0},
	{"every store can be read", "payments", `DROP TABLE muster_parked`, "payments: ", 0, 0},
}

func park(dead, failure string) string {
	return `INSERT INTO muster_parked (consumer, source, event, topic, key, attributes, data, attempts, error, dead, next)
		VALUES ('notify', '/orders', 'e-1', 'orders.confirmed', 'o-1', '{}', '', 1, '` + failure + `', ` + dead + `, 1)`
}

func TestEachInvariantCanBeSeenBroken(t *testing.T) {
	broken := map[string]bool{}
	whole, ledger := quiet(t)
	for _, tc := range breaks {
		broken[tc.invariant] = true
		t.Run(tc.fact, func(t *testing.T) {
			stores := whole // but for what is broken
			switch tc.store {
			case "+mail":
				stores.Mails = mails(t, tc.statement)
			case "-mail":
				stores.Mails = mails(t)
				if err := os.Remove(filepath.Join(stores.Mails, tc.statement)); err != nil {
					t.Fatal(err)
				}
			default:
				db := all(&stores)[tc.store]
				*db = engines.Copy(t, *db)
				(*db).SetMaxOpenConns(1) // a PRAGMA is for one connection
				do(t, *db, strings.Split(tc.statement, "; ")...)
			}
			got := verify.Check(t.Context(), stores, ledger)
			if !slices.ContainsFunc(got.Violations, func(v verify.Violation) bool {
				return v.Invariant == tc.invariant && strings.Contains(v.Fact, tc.fact)
			}) {
				t.Errorf("found %v, want %q: …%s…", got.Violations, tc.invariant, tc.fact)
			}
			if got.Lost != tc.lost || got.Duplicated != tc.duplicated {
				t.Errorf("%d lost and %d duplicated, want %d and %d", got.Lost, got.Duplicated, tc.lost, tc.duplicated)
			}
		})
	}
	for _, name := range verify.Invariants() {
		if !broken[name] {
			t.Errorf("no test breaks %q", name)
		}
	}
}

// Who was promised an order that is nowhere has lost it.
func TestAnUnfinishedOrderIsLost(t *testing.T) {
	stores, ledger := quiet(t)
	ledger.Orders = append(ledger.Orders, shopper.Order{Cart: "c-1", ID: "o-7", State: shopper.Pending})
	if got := verify.Check(t.Context(), stores, ledger); got.Lost != 1 {
		t.Errorf("%+v", got)
	}
}
