package verify

import "github.com/musterdev/muster/shop/shopper"

func shippedOnce(w *world, contradict func(string, ...any)) {
	for _, o := range w.orders {
		parcels := w.parcels[o.id]
		switch want := o.state == shopper.Confirmed; {
		case want && len(parcels) == 0:
			contradict("order %s is confirmed and has no parcel", o.id)
		case !want && len(parcels) > 0:
			contradict("order %s is %s and has the parcels %v", o.id, o.state, parcels)
		case len(parcels) > 1:
			contradict("order %s has the parcels %v", o.id, parcels)
		case want && parcels[0].pieces != w.ordered.count(o.id):
			contradict("order %s is of %d pieces and its parcel of %d", o.id, w.ordered.count(o.id), parcels[0].pieces)
		}
	}
	for order, parcels := range w.parcels {
		if _, ok := w.order[order]; !ok {
			contradict("order %q has the parcels %v and is not there", order, parcels)
		}
	}
}

func mailedOnce(w *world, contradict func(string, ...any)) {
	if w.mails == nil {
		return // nobody sends any
	}
	for _, o := range w.orders {
		mails := w.mails[o.id]
		switch ended := shopper.Ended(o.state); {
		case ended && len(mails) == 0:
			contradict("order %s is %s and nobody was told", o.id, o.state)
		case !ended && len(mails) > 0, len(mails) > 1, ended && mails[0] != o.state:
			contradict("order %s is %s and mailed was %v", o.id, o.state, mails)
		}
	}
	for order, mails := range w.mails {
		if _, ok := w.order[order]; !ok {
			contradict("mailed was %v of order %q, which is not there", mails, order)
		}
	}
}
