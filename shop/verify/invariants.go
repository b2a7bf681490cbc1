package verify

import (
	"maps"

	"github.com/musterdev/muster/shop/catalog"
)

// invariants returns the rows of the proof. Each search is a plain comparison of
// what one store says with another, with a constant, or with what shoppers were told.
func invariants() []invariant {
	return []invariant{
		{"the catalogue is as it was generated", catalogUnchanged},
		{"the same key twice is one cart line", oneLineAKey},
		{"an acknowledged cart line is there once", linesKept},
		{"stock is never negative", neverNegative},
		{"initial stock = free + reserved + sold", nothingLost},
		{"reserved stock = the pieces of live leases", reservedIsLeased},
		{"sold stock = the lines of confirmed orders", soldIsOrdered},
		{"every order ends, and its cart is cleared", everyOrderEnds},
		{"a confirmed order has one confirmed reservation of its lines", confirmedIsReserved},
		{"a failed order has none, and no reservation is without its order", nothingLeftBehind},
		{"a cart line is sold once", lineSoldOnce},
		{"an order costs what its lines cost", totals},
		{"the same key twice is one order", oneOrderAKey},
		{"an acknowledged order is there, confirmed", ordersKept},
	}
}

func catalogUnchanged(w world, contradict func(string, ...any)) {
	want := map[string]catalog.Product{}
	for _, p := range catalog.Generate() {
		want[p.ID] = p
	}
	for _, p := range w.products {
		if p != want[p.ID] {
			contradict("product %s is %+v, generated was %+v", p.ID, p, want[p.ID])
		}
		delete(want, p.ID)
	}
	for id := range want {
		contradict("product %s is missing", id)
	}
}

func oneLineAKey(w world, contradict func(string, ...any)) {
	first := map[[2]string]string{}
	for _, l := range w.cartLines {
		key := [2]string{l.cart, l.key}
		if other, twice := first[key]; twice && l.key != "" {
			contradict("key %s made the lines %s and %s of cart %s", l.key, other, l.id, l.cart)
		}
		first[key] = l.id
	}
}

func linesKept(w world, contradict func(string, ...any)) {
	have := map[string]cartLine{}
	for _, l := range w.cartLines {
		have[l.id] = l
	}
	for _, p := range w.promised.Lines {
		l, ok := have[p.ID]
		switch {
		case !ok:
			contradict("line %s of cart %s (key %q) was acknowledged and is missing", p.ID, p.Cart, p.Key)
		case l.cart != p.Cart || l.key != p.Key || l.product != p.Product:
			contradict("line %s was acknowledged as %+v and is %+v", p.ID, p, l)
		case l.quantity != 0 && l.quantity != int64(p.Quantity):
			contradict("line %s was acknowledged with %d pieces and has %d", p.ID, p.Quantity, l.quantity)
		}
	}
}

func neverNegative(w world, contradict func(string, ...any)) {
	for _, s := range w.stock {
		if s.free < 0 || s.reserved < 0 || s.sold < 0 {
			contradict("product %s: %d free, %d reserved, %d sold", s.product, s.free, s.reserved, s.sold)
		}
	}
}

func nothingLost(w world, contradict func(string, ...any)) {
	for _, s := range w.stock {
		if s.initial != s.free+s.reserved+s.sold {
			contradict("product %s: %d initially, now %d free + %d reserved + %d sold", s.product, s.initial, s.free, s.reserved, s.sold)
		}
	}
}

func reservedIsLeased(w world, contradict func(string, ...any)) {
	var held []string
	for _, r := range w.reservations {
		if r.state == "held" {
			held = append(held, r.key)
		}
	}
	leased := w.reserved.sum(held)
	for _, s := range w.stock {
		if s.reserved != leased[s.product] {
			contradict("product %s: %d reserved, %d leased", s.product, s.reserved, leased[s.product])
		}
		delete(leased, s.product)
	}
	for product, n := range leased {
		contradict("product %s is leased (%d) and has no stock", product, n)
	}
}

func soldIsOrdered(w world, contradict func(string, ...any)) {
	var confirmed []string
	for _, o := range w.orders {
		if o.state == "confirmed" {
			confirmed = append(confirmed, o.id)
		}
	}
	ordered := w.ordered.sum(confirmed)
	for _, s := range w.stock {
		if s.sold != ordered[s.product] {
			contradict("product %s: %d sold, %d in confirmed orders", s.product, s.sold, ordered[s.product])
		}
		delete(ordered, s.product)
	}
	for product, n := range ordered {
		contradict("product %s is ordered (%d) and has no stock", product, n)
	}
}

func everyOrderEnds(w world, contradict func(string, ...any)) {
	for _, o := range w.orders {
		switch {
		case o.state != "confirmed" && o.state != "failed":
			contradict("order %s is still %s", o.id, o.state)
		case !o.settled:
			contradict("order %s is %s and its cart %s is not cleared", o.id, o.state, o.cart)
		}
	}
}

func confirmedIsReserved(w world, contradict func(string, ...any)) {
	states := w.states()
	for _, o := range w.orders {
		if o.state != "confirmed" {
			continue
		}
		switch state := states[o.id]; {
		case state != "confirmed":
			contradict("order %s is confirmed and its reservation is %q", o.id, state)
		case !maps.Equal(w.reserved[o.id], w.ordered[o.id]):
			contradict("order %s is of %v and its reservation of %v", o.id, w.ordered[o.id], w.reserved[o.id])
		}
	}
}

func nothingLeftBehind(w world, contradict func(string, ...any)) {
	orders := map[string]string{}
	for _, o := range w.orders {
		orders[o.id] = o.state
	}
	for _, r := range w.reservations {
		if state := orders[r.key]; r.state != "released" && state != "confirmed" {
			contradict("reservation %s is %s and its order is %q", r.key, r.state, state)
		}
	}
}

func totals(w world, contradict func(string, ...any)) {
	for _, o := range w.orders {
		if o.total != o.summed {
			contradict("order %s costs %d, its lines %d", o.id, o.total, o.summed)
		}
	}
}

func lineSoldOnce(w world, contradict func(string, ...any)) {
	for _, line := range w.soldTwice {
		contradict("cart line %s is in more than one order", line)
	}
}

func oneOrderAKey(w world, contradict func(string, ...any)) {
	first := map[string]string{}
	for _, o := range w.orders {
		if other, twice := first[o.key]; twice && o.key != "" {
			contradict("key %s made the orders %s and %s", o.key, other, o.id)
		}
		first[o.key] = o.id
	}
}

func ordersKept(w world, contradict func(string, ...any)) {
	have := map[string]order{}
	for _, o := range w.orders {
		have[o.id] = o
	}
	for _, p := range w.promised.Orders {
		o, ok := have[p.ID]
		switch {
		case !ok:
			contradict("order %s (key %q) was acknowledged and is missing", p.ID, p.Key)
		case o.state != "confirmed" || o.cart != p.Cart || o.key != p.Key:
			contradict("order %s was acknowledged as %+v and is %s, of cart %s, by key %q", p.ID, p, o.state, o.cart, o.key)
		}
	}
}

// states returns the state of each reservation by its key.
func (w world) states() map[string]string {
	all := map[string]string{}
	for _, r := range w.reservations {
		all[r.key] = r.state
	}
	return all
}
