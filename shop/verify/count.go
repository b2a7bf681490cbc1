package verify

import "github.com/musterdev/muster/shop/shopper"

// count says how many orders ended how, what was lost and what was done twice.
func (w *world) count() Report {
	r := Report{Money: w.money(), Charges: w.asked}
	for _, o := range w.orders {
		switch o.state {
		case shopper.Confirmed:
			r.Confirmed++
		case shopper.Failed:
			r.Compensated++
		}
	}
	for _, p := range w.promised.Orders {
		if w.lost(p.ID) {
			r.Lost++
		}
	}
	r.Duplicated = len(w.soldTwice)
	keys := map[string]int{}
	for _, o := range w.orders {
		if o.key != "" {
			keys[o.key]++
		}
	}
	for _, n := range keys {
		r.Duplicated += n - 1
	}
	for _, p := range w.paid {
		r.Duplicated += max(0, p.captures-1) + max(0, p.refunds-1)
	}
	for _, parcels := range w.parcels {
		r.Duplicated += len(parcels) - 1
	}
	for _, mails := range w.mails {
		r.Duplicated += len(mails) - 1
	}
	return r
}

// lost reports whether an order that was accepted came to no end, or to one that the
// shopper has nothing of.
func (w *world) lost(id string) bool {
	o, ok := w.order[id]
	if !ok || !shopper.Ended(o.state) {
		return true
	}
	if o.state != shopper.Confirmed {
		return false
	}
	return w.paidFor(id).captures == 0 || len(w.parcels[id]) == 0 || w.mails != nil && len(w.mails[id]) == 0
}
