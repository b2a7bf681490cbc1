package verify

import (
	"net/http"

	"github.com/musterdev/muster/shop/shopper"
)

func oneOrderAKey(w *world, contradict func(string, ...any)) {
	first := map[string]string{}
	for _, o := range w.orders {
		if other, twice := first[o.key]; twice && o.key != "" {
			contradict("key %s made the orders %s and %s", o.key, other, o.id)
		}
		first[o.key] = o.id
	}
}

func ordersKept(w *world, contradict func(string, ...any)) {
	for _, p := range w.promised.Orders {
		o, ok := w.order[p.ID]
		switch {
		case !ok:
			contradict("order %s (key %q) was accepted and is missing", p.ID, p.Key)
		case o.cart != p.Cart || o.key != p.Key:
			contradict("order %s was accepted of cart %s by key %q and is of cart %s by key %q", p.ID, p.Cart, p.Key, o.cart, o.key)
		}
	}
}

func everyOrderEnds(w *world, contradict func(string, ...any)) {
	for _, o := range w.orders {
		if !shopper.Ended(o.state) {
			contradict("order %s is still %s", o.id, o.state)
		}
	}
}

func endsKept(w *world, contradict func(string, ...any)) {
	for _, p := range w.promised.Orders {
		if o, ok := w.order[p.ID]; ok && shopper.Ended(p.State) && o.state != p.State {
			contradict("order %s was shown as %s and is %s", p.ID, p.State, o.state)
		}
	}
}

func cancellationsKept(w *world, contradict func(string, ...any)) {
	for _, p := range w.promised.Orders {
		o, ok := w.order[p.ID]
		switch {
		case !ok || p.Cancel != http.StatusAccepted:
		case o.state == shopper.Confirmed:
			contradict("order %s was cancelled and is %s", p.ID, o.state)
		case !o.cancelled:
			contradict("order %s was cancelled and does not know it", p.ID)
		}
	}
}

func totals(w *world, contradict func(string, ...any)) {
	for _, o := range w.orders {
		if o.total != o.summed {
			contradict("order %s costs %d, its lines %d", o.id, o.total, o.summed)
		}
	}
}
