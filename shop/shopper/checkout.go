package shopper

import (
	"net/http"
	"time"
)

const (
	followFor  = 30 * time.Second // how long a shopper asks after an order
	followMost = 4                // orders asked after at a time
	oneIn      = 4                // requests answered already that are sent once more
	cancelled  = 6                // in 100 orders
)

// order is what the shop answers of one.
type order struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Cart  string `json:"cart"`
	Lines []line `json:"lines"`
}

// awaited is an accepted order whose end its shopper has not seen yet.
type awaited struct {
	at    int // in the ledger
	since time.Time
}

// checkout orders a cart, now and then sends the same once more, and now and then
// regrets it.
func (v *visit) checkout(c cart) {
	var o order
	q := request{method: http.MethodPost, path: "/v1/orders", key: v.key(), body: map[string]any{"cart": c.ID}, want: []int{http.StatusAccepted}}
	q.check = func(a answer) error {
		return read(&o, func() error {
			page := "/v1/orders/" + o.ID
			return that(o.ID != "" && known(o.State) && a.header.Get("Location") == page, "cart %s was ordered and order %+v came back, to be found at %q", c.ID, o, a.header.Get("Location"))
		})(a)
	}
	if !v.ask(q) {
		return
	}
	v.tally.Orders++
	v.awaits = append(v.awaits, awaited{len(v.ledger.Orders), time.Now()})
	v.ledger.Orders = append(v.ledger.Orders, Order{Key: q.key, Cart: c.ID, ID: o.ID, State: Pending, lines: len(c.Lines)})
	if v.again(q.key) {
		var same order
		q.check = read(&same, func() error {
			return that(same.ID == o.ID, "the key %s made order %s, then %s", q.key, o.ID, same.ID)
		})
		v.ask(q)
	}
	if v.random.IntN(100) < cancelled {
		v.cancel(len(v.ledger.Orders) - 1)
	}
}

// cancel asks the shop not to carry out an order. Both answers are good ones.
func (v *visit) cancel(at int) {
	o := &v.ledger.Orders[at]
	v.ask(request{
		method: http.MethodPost, path: "/v1/orders/" + o.ID + "/cancel", key: v.key(), want: []int{http.StatusAccepted, http.StatusConflict},
		check: func(a answer) error {
			o.Cancel = a.status
			return nil
		},
	})
}

// follow asks after the orders whose end was not seen yet, those first that were not
// asked after for longest. One that does not end in time is left to the ledger: it is
// judged by what the shop has in the end, for it may well wait for a part that is
// down. Now and then a shopper looks at an order that has ended: it must stay so.
func (v *visit) follow() {
	for range min(followMost, len(v.awaits)) {
		o := v.awaits[0]
		v.awaits = v.awaits[1:]
		if time.Since(o.since) < followFor && !v.ended(o.at) {
			v.awaits = append(v.awaits, o)
		}
	}
	if n := len(v.ledger.Orders); n > 0 && v.random.IntN(oneIn) == 0 {
		if at := v.random.IntN(n); Ended(v.ledger.Orders[at].State) {
			v.ended(at)
		}
	}
}

// ended reads an order's page and reports whether it has ended.
func (v *visit) ended(at int) bool {
	told := &v.ledger.Orders[at]
	var now order
	v.get("/v1/orders/"+told.ID, read(&now, func() error {
		if err := that(now.ID == told.ID && now.Cart == told.Cart && known(now.State) && len(now.Lines) == told.lines,
			"order %s of cart %s, of %d lines, is %+v", told.ID, told.Cart, told.lines, now); err != nil {
			return err
		}
		if err := that(told.Cancel != http.StatusAccepted || now.State != Confirmed, "order %s was cancelled and is %s", told.ID, now.State); err != nil {
			return err
		}
		return that(!Ended(told.State) || now.State == told.State, "order %s was %s and is %s", told.ID, told.State, now.State)
	}))
	if v.over || !Ended(now.State) {
		return false
	}
	if told.State == Pending {
		told.State = now.State
		if now.State == Confirmed {
			v.tally.Confirmed++
		} else {
			v.tally.Compensated++
		}
	}
	return true
}

func known(state string) bool { return state == Pending || Ended(state) }
