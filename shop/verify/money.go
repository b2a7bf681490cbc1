package verify

import (
	"github.com/musterdev/muster/shop/shopper"
)

func moneyIsRight(w *world, contradict func(string, ...any)) {
	if m := w.money(); m.Captured-m.Refunded != m.Sold {
		contradict("%d cents captured - %d refunded = %d, and confirmed orders cost %d", m.Captured, m.Refunded, m.Captured-m.Refunded, m.Sold)
	}
}

// money adds up the card processor's ledger and the confirmed orders.
func (w *world) money() (m Money) {
	for _, c := range w.charges {
		if c.captured {
			m.Captured += c.cents
		}
	}
	for _, r := range w.refunds {
		m.Refunded += r.cents
	}
	for _, o := range w.orders {
		if o.state == shopper.Confirmed {
			m.Sold += o.total
		}
	}
	return m
}

func chargedOnce(w *world, contradict func(string, ...any)) {
	for _, order := range w.paid {
		if order.captures > 1 || order.refunds > 1 {
			contradict("order %s was charged %d times and refunded %d times", order.id, order.captures, order.refunds)
		}
	}
}

func paidAsOrdered(w *world, contradict func(string, ...any)) {
	for _, p := range w.paid {
		if _, ok := w.order[p.id]; !ok && p.captures+p.refunds > 0 {
			contradict("%d cents were captured and %d refunded for order %q, which is not there", p.captured, p.refunded, p.id)
		}
	}
	for _, o := range w.orders {
		kept, want := w.paidFor(o.id).kept(), int64(0)
		if o.state == shopper.Confirmed {
			want = o.total
		}
		if kept != want {
			contradict("order %s of %d cents is %s, and %d cents are kept of it", o.id, o.total, o.state, kept)
		}
	}
}

// paymentsAgree compares payments' own table with the processor's ledger. While a
// payment is requested or refunding it is not at its end, and that is not quiet.
func paymentsAgree(w *world, contradict func(string, ...any)) {
	known := map[string]bool{}
	for _, p := range w.payments {
		known[p.order] = true
		held := w.paidFor(p.order)
		var captures, refunds int
		switch p.state {
		case "captured":
			captures = 1
		case "refunded":
			captures, refunds = 1, 1
		case "declined", "void":
		default:
			contradict("the payment of order %s is still %s", p.order, p.state)
			continue
		}
		if held.captures != captures || held.refunds != refunds || captures == 1 && held.captured != p.cents {
			contradict("the payment of order %s is %s (%d cents), and the processor has captured %d (%d cents) and refunded %d (%d cents)",
				p.order, p.state, p.cents, held.captures, held.captured, held.refunds, held.refunded)
		}
		if o, ok := w.order[p.order]; ok && (o.state == shopper.Confirmed) != (p.state == "captured") {
			contradict("the payment of order %s is %s, and the order is %s", p.order, p.state, o.state)
		}
	}
	for _, p := range w.paid {
		if !known[p.id] {
			contradict("the processor was asked for order %q and payments does not know it", p.id)
		}
	}
}

// paid is what the card processor did for one order.
type paid struct {
	id                 string
	captures, refunds  int
	captured, refunded int64 // cents
}

func (p paid) kept() int64 { return p.captured - p.refunded }

// paidFor returns nothing at all for an order the processor was never asked for.
func (w *world) paidFor(order string) paid {
	if i, ok := w.paidAt[order]; ok {
		return w.paid[i]
	}
	return paid{id: order}
}

// addPaid sums up the ledger by order, in the ledger's order.
func (w *world) addPaid() {
	w.paidAt = map[string]int{}
	of := func(order string) *paid {
		i, ok := w.paidAt[order]
		if !ok {
			i = len(w.paid)
			w.paidAt[order] = i
			w.paid = append(w.paid, paid{id: order})
		}
		return &w.paid[i]
	}
	for _, c := range w.charges {
		if p := of(c.order); c.captured {
			p.captures++
			p.captured += c.cents
		}
	}
	for _, r := range w.refunds {
		p := of(r.order)
		p.refunds++
		p.refunded += r.cents
	}
}
