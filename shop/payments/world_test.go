package payments

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/internal/process"
)

// world is the service's database, the card processor, and whoever asks for money.
type world struct {
	t      *testing.T
	open   func() *sql.DB
	db     *sql.DB // the test's own pool
	card   *card
	broker *memory.Broker

	mu      sync.Mutex
	fault   func(r *replica, moment string) error
	answers map[string][]string // by order
}

// replica is the service in a process of its own.
type replica struct {
	*payments
	process *process.Process
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) { test(t, newWorld(t, open)) })
}

func newWorld(t *testing.T, open func() *sql.DB) *world {
	t.Helper()
	w := &world{t: t, open: open, db: open(), card: newCard(), broker: memory.New(), answers: map[string][]string{}}
	t.Cleanup(func() { _ = w.db.Close() }) // its engine may have more tests
	process.Migrate(t, w.db)
	c := &bus.Consumer{Broker: w.broker.Connect(), Group: "orders", Parking: memory.NewParking()}
	for topic, handler := range map[string]bus.Handler{
		events.PaymentCaptured.Name: bus.Typed(events.PaymentCaptured, func(_ context.Context, _ bus.Delivery, e events.Payment) error {
			return w.note(e.Order, fmt.Sprintf("captured %d as %s", e.Cents, e.Charge))
		}),
		events.PaymentDeclined.Name: bus.Typed(events.PaymentDeclined, func(_ context.Context, _ bus.Delivery, e events.Refusal) error {
			return w.note(e.Order, "declined: "+e.Reason)
		}),
		events.PaymentRefunded.Name: bus.Typed(events.PaymentRefunded, func(_ context.Context, _ bus.Delivery, e events.Refund) error {
			return w.note(e.Order, fmt.Sprintf("refunded %d", e.Cents))
		}),
	} {
		if err := c.On(topic, handler); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); working.Wait() })
	return w
}

func (w *world) note(order, answer string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[order] = append(w.answers[order], answer)
	return nil
}

// start runs one more replica.
func (w *world) start() *replica {
	w.t.Helper()
	db := w.open()
	r := &replica{payments: newPayments(db, &http.Client{Transport: w.card}, slog.New(slog.DiscardHandler))}
	started := make(chan struct{})
	strike := process.Strike(func(moment string) error {
		<-started
		w.mu.Lock()
		fault := w.fault
		w.mu.Unlock()
		if fault == nil {
			return nil
		}
		return fault(r, moment)
	})
	r.process = process.Start(w.t, process.Config{
		Name: "payments", DB: db, Broker: w.broker,
		Sagas: []saga.Definition{process.Around(r.charge, strike.Of("charge")), process.Around(r.refund, strike.Of("refund"))},
		On: map[string]bus.Handler{
			events.PaymentRequested.Name: inbox.Once(db, events.PaymentRequested, process.Handler(strike, events.PaymentRequested, r.onRequested)),
			events.RefundRequested.Name:  inbox.Once(db, events.RefundRequested, process.Handler(strike, events.RefundRequested, r.onRefundRequested)),
		},
	})
	close(started)
	return r
}

// strikes sets what happens at each moment from here on.
func (w *world) strikes(fault func(r *replica, moment string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
}

// ask publishes a request, twice.
func ask[T any](t *testing.T, w *world, topic bus.Topic[T], order string, event T) {
	t.Helper()
	m, err := topic.Msg(t.Context(), order, event)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"/orders", "/orders"} {
		m.Source = source
		if err := w.broker.Publish(t.Context(), []bus.Msg{m})[0].Err; err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) requests(t *testing.T, order string, cents int64) {
	t.Helper()
	ask(t, w, events.PaymentRequested, order, events.PaymentRequest{Order: order, Cents: cents})
}

func (w *world) asksBack(t *testing.T, order string) {
	t.Helper()
	ask(t, w, events.RefundRequested, order, events.RefundRequest{Order: order})
}

// told waits until an order was told at least so much, and returns it.
func (w *world) told(t *testing.T, order string, n int) []string {
	t.Helper()
	var all []string
	wait(t, fmt.Sprintf("%d answers about %s", n, order), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		all = slices.Clone(w.answers[order])
		return len(all) >= n
	})
	return all
}

// settled waits until no saga is under way and nothing is to be published.
func (w *world) settled(t *testing.T) {
	t.Helper()
	wait(t, "settled", func() bool {
		return w.count(t, `muster_saga WHERE state NOT IN ('completed', 'compensated')`) == 0 && w.count(t, `muster_outbox`) == 0
	})
}

// wantState checks an order's row against the processor's ledger.
func (w *world) wantState(t *testing.T, order, state string) {
	t.Helper()
	w.settled(t)
	var got string
	var cents int64
	if err := w.db.QueryRowContext(t.Context(), `SELECT state, cents FROM payments WHERE order_id = $1`, order).Scan(&got, &cents); err != nil {
		t.Fatal(err)
	}
	w.card.mu.Lock()
	defer w.card.mu.Unlock()
	net, charges := w.card.captured[order]-w.card.refunded[order], w.card.charges[order]
	if got != state || (state == captured) != (net == cents && cents > 0) || state != captured && net != 0 || charges > 1 {
		t.Errorf("order %s is %s, %d cents asked for, %d charges, %d cents net; want %s", order, got, cents, charges, net, state)
	}
}

func (w *world) count(t *testing.T, what string) int {
	t.Helper()
	var n int
	if err := w.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+what).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
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
