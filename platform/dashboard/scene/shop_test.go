package scene

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// day fills a world with the shop's last hour: browsing, baskets, orders, some that are
// declined, one that waits four seconds for the card processor, one report of ten
// thousand spans.
func day() *world {
	w := newWorld(42)
	for ago := 59 * time.Minute; ago > 4*time.Second; ago -= time.Duration(5+w.rng.IntN(16)) * time.Second {
		base := moment.Add(-ago).Add(time.Duration(w.rng.IntN(1e9)))
		switch n := w.rng.IntN(100); {
		case n < 38:
			w.browse(base)
		case n < 58:
			w.product(base)
		case n < 80:
			w.basket(base)
		default:
			w.order(base, w.rng.IntN(9) == 0, w.spread(11))
		}
	}
	w.order(moment.Add(-3*time.Minute-12*time.Second), false, 4213)
	w.report(moment.Add(-8*time.Minute), 10_000)
	return w
}

func (w *world) browse(base time.Time) {
	length := w.spread(4.2)
	status := 200
	if w.rng.IntN(60) == 0 {
		status = 503
	}
	s := w.request(base, "catalog", "GET", "/v1/products", "/v1/products", status, length)
	w.query(base, s, "SELECT id, name, cents FROM products WHERE id > $1 ORDER BY id LIMIT 51", s.start+length*0.15, length*0.5)
	if status == 503 {
		w.fail("database is locked")
		w.log(base, s, length*0.7, signal.SeverityError, "listing products: database is locked", "attempts", 3)
	}
}

func (w *world) product(base time.Time) {
	length := w.spread(2.1)
	s := w.request(base, "catalog", "GET", "/v1/products/{id}", fmt.Sprintf("/v1/products/p-%03d", w.rng.IntN(200)), 200, length)
	w.query(base, s, "SELECT name, cents, version FROM products WHERE id = $1", s.start+length*0.2, length*0.35)
}

func (w *world) basket(base time.Time) {
	length := w.spread(7.5)
	s := w.request(base, "cart", "PUT", "/v1/carts/{id}/lines/{product}", fmt.Sprintf("/v1/carts/c-%04d/lines/p-%03d", w.rng.IntN(5000), w.rng.IntN(200)), 200, length)
	c := w.call(base, s, "catalog", "shop.catalog.v1.Catalog/GetProduct", s.start+length*0.1, length*0.3)
	w.query(base, c, "SELECT name, cents, version FROM products WHERE id = $1", c.start+c.len*0.2, c.len*0.4)
	w.query(base, s, "INSERT INTO lines (cart, product, quantity) VALUES ($1, $2, $3) ON CONFLICT DO UPDATE", s.start+length*0.5, length*0.35)
	if w.rng.IntN(3) == 0 {
		w.log(base, s, length*0.8, signal.SeverityInfo, "line added", "cart", fmt.Sprintf("c-%04d", w.rng.IntN(5000)), "quantity", 1+w.rng.IntN(3))
	}
}

// order is what one placed order does in all services.
func (w *world) order(base time.Time, declined bool, card float64) {
	id := fmt.Sprintf("o-%05d", 10_000+w.rng.IntN(80_000))
	length := w.spread(34)
	s := w.request(base, "orders", "POST", "/v1/orders", "/v1/orders", 202, length)
	t := s.start + 1
	cart := w.call(base, s, "cart", "shop.cart.v1.Cart/GetCart", t, length*0.12)
	w.query(base, cart, "SELECT product, quantity FROM lines WHERE cart = $1", cart.start+0.4, cart.len*0.5)
	catalog := w.call(base, s, "catalog", "shop.catalog.v1.Catalog/ListPrices", t+length*0.14, length*0.12)
	w.query(base, catalog, "SELECT id, cents FROM products WHERE id IN ($1, $2, $3)", catalog.start+0.3, catalog.len*0.5)
	w.query(base, s, "INSERT INTO orders (id, customer, total, state) VALUES ($1, $2, $3, $4)", t+length*0.3, length*0.2)
	w.log(base, s, length*0.6, signal.SeverityInfo, "order placed", "order", id, "total", 1000+w.rng.IntN(20_000), "lines", 3)

	saga := w.span(base, s, "orders", "saga checkout: reserve", signal.Internal, t+length*0.52, w.spread(9), attrs("muster.saga.name", "checkout", "muster.saga.id", id, "muster.saga.step", "reserve"))
	inventory := w.call(base, saga, "inventory", "shop.inventory.v1.Inventory/Reserve", saga.start+0.4, saga.len*0.8)
	w.query(base, inventory, "UPDATE stock SET held = held + $1 WHERE product = $2 AND on_hand - held >= $1", inventory.start+0.6, inventory.len*0.5)
	pay := w.span(base, s, "orders", "saga checkout: pay", signal.Internal, saga.start+saga.len+1, w.spread(2), attrs("muster.saga.name", "checkout", "muster.saga.id", id, "muster.saga.step", "pay"))

	payments := w.event(base, pay, "payments.requested", "payments", pay.start+1.2, card+w.spread(9))
	w.query(base, payments, "INSERT INTO inbox (source, event) VALUES ($1, $2)", payments.start+0.5, w.spread(1.2))
	charge := w.span(base, payments, "payments", "POST", signal.Client, payments.start+2.5, card, attrs("server.address", "card", "http.request.method", "POST", "url.path", "/v1/charges", "http.response.status_code", 200))
	processor := w.span(base, charge, "card", "POST /v1/charges", signal.Server, charge.start+0.2, card-0.4, attrs("http.request.method", "POST", "http.route", "/v1/charges", "http.response.status_code", 200))
	if card > 1000 {
		w.spans[len(w.spans)-1].Events = []signal.Event{
			{Time: base.UnixNano() + int64((processor.start+2)*1e6), Name: "waiting for a worker", Attributes: attrs("queue.length", 117)},
			{Time: base.UnixNano() + int64((processor.start+card-24)*1e6), Name: "worker free", Attributes: attrs("waited_ms", int(card-30))},
		}
		w.log(base, processor, card-20, signal.SeverityWarn, "the charge waited for a worker", "order", id, "waited_ms", int(card-30), "workers", 4)
		w.log(base, payments, card, signal.SeverityWarn, "the card processor was slow", "order", id, "took_ms", int(card))
	}
	end := payments.start + payments.len
	if declined {
		w.log(base, processor, card*0.6, signal.SeverityWarn, "card declined", "order", id, "code", "insufficient_funds")
		back := w.event(base, payments, "payments.declined", "orders", end-2, w.spread(4))
		undo := w.span(base, back, "orders", "saga checkout: undo reserve", signal.Internal, back.start+back.len, w.spread(6), attrs("muster.saga.name", "checkout", "muster.saga.id", id, "muster.saga.step", "reserve", "muster.saga.undo", true))
		w.fail("compensating: the card was declined")
		release := w.call(base, undo, "inventory", "shop.inventory.v1.Inventory/Release", undo.start+0.4, undo.len*0.8)
		w.query(base, release, "UPDATE stock SET held = held - $1 WHERE product = $2", release.start+0.4, release.len*0.5)
		failed := w.event(base, undo, "orders.failed", "notify", undo.start+undo.len, w.spread(5))
		w.log(base, failed, 2, signal.SeverityInfo, "mail sent: your order could not be paid", "order", id)
		return
	}
	back := w.event(base, payments, "payments.captured", "orders", end-2, w.spread(4))
	sell := w.span(base, back, "orders", "saga checkout: sell", signal.Internal, back.start+back.len, w.spread(6), attrs("muster.saga.name", "checkout", "muster.saga.id", id, "muster.saga.step", "sell"))
	sold := w.call(base, sell, "inventory", "shop.inventory.v1.Inventory/Sell", sell.start+0.4, sell.len*0.8)
	w.query(base, sold, "UPDATE stock SET on_hand = on_hand - $1, held = held - $1 WHERE product = $2", sold.start+0.4, sold.len*0.5)
	ship := w.event(base, sell, "shipping.requested", "shipping", sell.start+sell.len, w.spread(8))
	w.query(base, ship, "INSERT INTO parcels (id, order_id) VALUES ($1, $2)", ship.start+1, w.spread(1.5))
	booked := w.event(base, ship, "shipping.booked", "orders", ship.start+ship.len-1, w.spread(4))
	w.query(base, booked, "UPDATE orders SET state = 'confirmed' WHERE id = $1", booked.start+1, w.spread(1.4))
	emptied := w.call(base, booked, "cart", "shop.cart.v1.Cart/Clear", booked.start+booked.len, w.spread(3))
	w.query(base, emptied, "DELETE FROM lines WHERE cart = $1", emptied.start+0.4, emptied.len*0.5)
	mail := w.event(base, booked, "orders.confirmed", "notify", booked.start+booked.len, w.spread(5))
	w.log(base, mail, 2, signal.SeverityInfo, "mail sent: your order is on its way", "order", id)
	w.log(base, booked, 3, signal.SeverityInfo, "order confirmed", "order", id)
}

// report is a trace of n spans: a nightly report that asks for each product by itself.
func (w *world) report(base time.Time, n int) {
	const each = 0.6
	total := each * float64(n) / 3
	s := w.request(base, "orders", "GET", "/v1/orders/report", "/v1/orders/report", 200, total)
	for i := 0; len(w.spans) > 0 && i < (n-3)/3; i++ {
		c := w.call(base, s, "catalog", "shop.catalog.v1.Catalog/GetProduct", s.start+2+float64(i)*each*0.88, each*0.8)
		w.query(base, c, "SELECT name, cents, version FROM products WHERE id = $1", c.start+c.len*0.2, c.len*0.5)
	}
}
