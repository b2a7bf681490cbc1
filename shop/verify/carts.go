package verify

import "github.com/musterdev/muster/shop/catalog"

func catalogUnchanged(w *world, contradict func(string, ...any)) {
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

func oneLineAKey(w *world, contradict func(string, ...any)) {
	first := map[[2]string]string{}
	for _, l := range w.cartLines {
		key := [2]string{l.cart, l.key}
		if other, twice := first[key]; twice && l.key != "" {
			contradict("key %s made the lines %s and %s of cart %s", l.key, other, l.id, l.cart)
		}
		first[key] = l.id
	}
}

func linesKept(w *world, contradict func(string, ...any)) {
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

func lineSoldOnce(w *world, contradict func(string, ...any)) {
	for _, line := range w.soldTwice {
		contradict("cart line %s is in more than one order", line)
	}
}

func cartsCleared(w *world, contradict func(string, ...any)) {
	left := map[string]cartLine{}
	for _, l := range w.cartLines {
		if l.quantity != 0 {
			left[l.id] = l
		}
	}
	for _, s := range w.sold {
		if l, ok := left[s.line]; ok {
			contradict("line %s was sold by order %s and is still in cart %s", l.id, s.order, l.cart)
		}
	}
}
