package verify

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/shopper"
)

// world is what the stores hold and what shoppers were told.
type world struct {
	promised shopper.Ledger

	products     []catalog.Product
	cartLines    []cartLine
	stock        []stock
	reservations []reservation
	reserved     pieces // by reservation key

	orders    []order
	order     map[string]order // the same by id
	ordered   pieces           // by order id
	sold      []soldLine
	soldTwice []string // cart lines in more than one order that did not fail

	charges  []charge
	refunds  []refund
	asked    Charges
	paid     []paid // of each order that the processor was asked for
	paidAt   map[string]int
	payments []payment

	parcels map[string][]parcel // by order id
	mails   map[string][]string // states that were mailed, by order id; nil: nobody mails

	found    []found
	searched bool

	sagas       []saga
	unpublished []unpublished
	parked      []parked
}

type (
	cartLine struct {
		id, cart, key, product string
		quantity               int64 // 0: removed or ordered
	}
	stock struct {
		product                       string
		initial, free, reserved, sold int64
	}
	reservation struct{ key, state string }
	order       struct {
		id, cart, key, state string
		total, summed        int64
		cancelled            bool
	}
	part struct {
		owner, product string
		quantity       int64
	}
	soldLine struct{ order, line string }
	charge   struct {
		order    string
		cents    int64
		captured bool
	}
	refund struct {
		order string
		cents int64
	}
	asked struct { // under one key
		calls              int64
		declined, timedOut bool
	}
	payment struct {
		order, state string
		cents        int64
	}
	parcel struct {
		id, order string
		pieces    int64
	}
	saga        struct{ store, name, id, state, step, owner string }
	unpublished struct{ store, topic, key, refusal string }
	parked      struct {
		store, topic, key, failure string
		dead                       bool
	}
)

// String is how a parcel is told of.
func (p parcel) String() string { return p.id }

// pieces counts pieces by owner (a reservation or an order) and product.
type pieces map[string]map[string]int64

// reader reads a part of one store.
type reader func(ctx context.Context, tx *sql.Tx) error

func load(ctx context.Context, s Stores) (*world, error) {
	w := &world{order: map[string]order{}, parcels: map[string][]parcel{}}
	readers := []struct {
		store string
		db    *sql.DB
		read  []reader
	}{
		{"catalog", s.Catalog, []reader{w.readCatalog, w.readOutbox("catalog")}},
		{"cart", s.Cart, []reader{w.readCart}},
		{"inventory", s.Inventory, []reader{w.readInventory, w.readOutbox("inventory")}},
		{"orders", s.Orders, []reader{w.readOrders, w.readSagas("orders"), w.readOutbox("orders"), w.readParked("orders")}},
		{"payments", s.Payments, []reader{w.readPayments, w.readSagas("payments"), w.readOutbox("payments"), w.readParked("payments")}},
		{"shipping", s.Shipping, []reader{w.readShipping, w.readOutbox("shipping"), w.readParked("shipping")}},
		{"search", s.Search, []reader{w.readSearch, w.readParked("search")}},
		{"card", s.Card, []reader{w.readCard}},
		{"broker", s.Broker, []reader{w.readParked("broker")}},
	}
	for _, r := range readers {
		if r.db == nil {
			if r.store == "broker" || r.store == "search" {
				continue
			}
			return w, fmt.Errorf("%s: there is no database", r.store)
		}
		for _, read := range r.read {
			if err := tx.Read(ctx, r.db, read); err != nil {
				return w, fmt.Errorf("%s: %w", r.store, err)
			}
		}
	}
	w.addPaid()
	if s.Mails == "" {
		return w, nil
	}
	return w, w.readMails(s.Mails)
}

// readMails knows a mail by its file, <order>.<state>.json. A mail appears whole or
// not at all; other files are on their way to become one.
func (w *world) readMails(folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) { // nothing was mailed yet
		return fmt.Errorf("mails: %w", err)
	}
	w.mails = map[string][]string{}
	for _, f := range files {
		name, isMail := strings.CutSuffix(f.Name(), ".json")
		order, state, _ := strings.Cut(name, ".")
		if isMail && !strings.HasPrefix(name, ".") {
			w.mails[order] = append(w.mails[order], state)
		}
	}
	return nil
}

func byOwner(parts []part) pieces {
	all := pieces{}
	for _, p := range parts {
		if all[p.owner] == nil {
			all[p.owner] = map[string]int64{}
		}
		all[p.owner][p.product] = p.quantity
	}
	return all
}

// sum adds up the pieces of some owners, by product.
func (p pieces) sum(owners []string) map[string]int64 {
	total := map[string]int64{}
	for _, owner := range owners {
		for product, n := range p[owner] {
			total[product] += n
		}
	}
	return total
}

// count adds up the pieces of one owner.
func (p pieces) count(owner string) (total int64) {
	for _, n := range p[owner] {
		total += n
	}
	return total
}
