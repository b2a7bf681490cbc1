package verify

import "maps"

func neverNegative(w *world, contradict func(string, ...any)) {
	for _, s := range w.stock {
		if s.free < 0 || s.reserved < 0 || s.sold < 0 {
			contradict("product %s: %d free, %d reserved, %d sold", s.product, s.free, s.reserved, s.sold)
		}
	}
}

func nothingLost(w *world, contradict func(string, ...any)) {
	for _, s := range w.stock {
		if s.initial != s.free+s.reserved+s.sold {
			contradict("product %s: %d initially, now %d free + %d reserved + %d sold", s.product, s.initial, s.free, s.reserved, s.sold)
		}
	}
}

func reservedIsLeased(w *world, contradict func(string, ...any)) {
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

func soldIsOrdered(w *world, contradict func(string, ...any)) {
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

func confirmedIsReserved(w *world, contradict func(string, ...any)) {
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

func nothingLeftBehind(w *world, contradict func(string, ...any)) {
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

func (w *world) states() map[string]string {
	all := map[string]string{}
	for _, r := range w.reservations {
		all[r.key] = r.state
	}
	return all
}
