package orders

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/internal/process"
	"github.com/musterdev/muster/shop/inventory"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
)

// world is the service's database and all that is around it.
type world struct {
	*neighbours
	t    *testing.T
	open func() *sql.DB
	db   *sql.DB // the test's own pool

	faults sync.Mutex
	fault  func(r *replica, moment string) error
}

// replica is the service in a process of its own.
type replica struct {
	*orders
	process *process.Process
}

// each runs a test on both engines.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		test(t, newWorld(t, open))
	})
}

func newWorld(t *testing.T, open func() *sql.DB) *world {
	t.Helper()
	pieces := engines.SQLite(t, inventory.Service.Migrations)
	if err := outbox.Migrate(t.Context(), pieces); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, open: open, db: open(), neighbours: &neighbours{
		stock: inventory.NewServer(pieces), pieces: pieces, broker: memory.New(),
		carts: map[string][]*cartv1.Line{}, money: map[string]*money{}, sent: map[string]int{}, told: map[string]string{},
	}}
	t.Cleanup(func() { _ = w.db.Close() }) // its engine may have more tests
	process.Migrate(t, w.db)
	w.listen(t)
	return w
}

// start runs one more replica.
func (w *world) start() *replica {
	w.t.Helper()
	db := w.open()
	r := &replica{orders: newOrders(db, cartClient{w.neighbours}, stockClient{neighbours: w.neighbours})}
	started := make(chan struct{})
	strike := process.Strike(func(moment string) error {
		<-started
		w.faults.Lock()
		fault := w.fault
		w.faults.Unlock()
		if fault == nil {
			return nil
		}
		return fault(r, moment)
	})
	r.process = process.Start(w.t, process.Config{
		Name: "orders", DB: db, Broker: w.broker, Sagas: []saga.Definition{process.Around(r.checkout, strike)},
		On: map[string]bus.Handler{
			events.PaymentCaptured.Name: inbox.Once(db, events.PaymentCaptured, process.Handler(strike, events.PaymentCaptured, r.onCaptured)),
			events.PaymentDeclined.Name: inbox.Once(db, events.PaymentDeclined, process.Handler(strike, events.PaymentDeclined, r.onDeclined)),
			events.PaymentRefunded.Name: inbox.Once(db, events.PaymentRefunded, process.Handler(strike, events.PaymentRefunded, r.onRefunded)),
			events.ParcelBooked.Name:    inbox.Once(db, events.ParcelBooked, process.Handler(strike, events.ParcelBooked, r.onBooked)),
		},
	})
	close(started)
	return r
}

// strikes sets what happens at each moment from here on.
func (w *world) strikes(fault func(r *replica, moment string) error) {
	w.faults.Lock()
	defer w.faults.Unlock()
	w.fault = fault
}

// keyed returns a context as the middleware makes it.
func (r *replica) keyed(t *testing.T, key, cart string) context.Context {
	t.Helper()
	return idempotency.WithRequest(r.process.With(t.Context()), idempotency.Request{Scope: "POST /v1/orders", Key: key, Fingerprint: [32]byte([]byte(fmt.Sprintf("%-32s", cart)))})
}

// order places an order of a cart, which must be accepted.
func (r *replica) order(t *testing.T, cart string) string {
	t.Helper()
	a, err := r.place(r.process.With(t.Context()), cart)
	if err != nil || a.State != pending {
		t.Fatalf("%+v, %v", a, err)
	}
	return a.ID
}

// send makes an HTTP request and returns the answer and its body.
func (r *replica) send(t *testing.T, method, path, key, body string, want int) (*http.Response, string) {
	t.Helper()
	api := routes(r.orders, nil)
	if err := api.Err(); err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(r.process.With(t.Context()), method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, req)
	res := rec.Result()
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != want {
		t.Errorf("%s %s %s: %d %s, want %d", method, path, body, res.StatusCode, text, want)
	}
	return res, strings.TrimSpace(string(text))
}

// wait waits for a condition.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("after 30 s: not %s", what)
		}
	}
}

// ended waits until the saga of an order has ended and its end is told, and checks that
// everything about it is as its state says.
func (w *world) ended(t *testing.T, id string) Order {
	t.Helper()
	wait(t, "ended: "+id, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.told[id] != "" && w.count(t, `muster_saga WHERE id = '`+id+`' AND state IN ('completed', 'compensated')`) == 1
	})
	o, err := find(t.Context(), w.db, id)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told[id] != "orders."+o.State {
		t.Errorf("order %s is %s and was told by %s", id, o.State, w.told[id])
	}
	m := w.money[id]
	if m == nil {
		m = &money{}
	}
	net, parcels := int64(0), 0
	if o.State == confirmed {
		net, parcels = o.Total, 1
	}
	if m.captured-m.refunded != net || w.sent[id] != parcels {
		t.Errorf("order %s is %s with %+v and %d parcels; want %d cents and %d", id, o.State, *m, w.sent[id], net, parcels)
	}
	if sold := w.count(t, `order_lines WHERE sold IS NOT NULL AND order_id = '`+id+`'`); (sold > 0) != (o.State == confirmed) {
		t.Errorf("order %s is %s and keeps %d lines", id, o.State, sold)
	}
	return o
}

func (w *world) count(t *testing.T, what string) int {
	t.Helper()
	var n int
	if err := w.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+what).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantCode(t *testing.T, what string, err error, want problem.Code) {
	t.Helper()
	if got := problem.CodeOf(err); got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}
