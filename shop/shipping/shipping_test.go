package shipping

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/internal/engines"
)

// each runs a test on both engines. replica returns the service on one more pool.
func each(t *testing.T, test func(t *testing.T, replica func() *parcels)) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		test(t, func() *parcels {
			db := open()
			for _, migrate := range []func(context.Context, *sql.DB) error{inbox.Migrate, outbox.Migrate} {
				if err := migrate(t.Context(), db); err != nil {
					t.Fatal(err)
				}
			}
			s, err := newParcels(db)
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
}

// asked is a request as orders publishes it.
func asked(t *testing.T, order string, pieces int64) bus.Msg {
	t.Helper()
	m, err := events.ShippingRequested.Msg(t.Context(), order, events.Shipment{Order: order, Pieces: pieces})
	if err != nil {
		t.Fatal(err)
	}
	m.Source = "/orders"
	return m
}

// take has the service handle a message as its consumer does.
func (s *parcels) take(ctx context.Context, m bus.Msg) error {
	d := bus.Delivery{Msg: m, Group: "shipping", Count: 1}
	return inbox.Once(s.db, events.ShippingRequested, s.book)(bus.WithDelivery(ctx, d), d)
}

func want(t *testing.T, s *parcels, query string, want int) {
	t.Helper()
	var got int
	if err := s.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+query).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%s: %d, want %d", query, got, want)
	}
}

func TestOneParcelForEachOrder(t *testing.T) {
	each(t, func(t *testing.T, replica func() *parcels) {
		s, other := replica(), replica()
		m := asked(t, "o-1", 3)
		for _, by := range []*parcels{s, s, other} { // the same event again
			if err := by.take(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		want(t, s, `parcels WHERE order_id = 'o-1' AND pieces = 3`, 1)
		want(t, s, `muster_outbox WHERE topic = 'shipping.booked' AND key = 'o-1'`, 1)

		if err := other.take(t.Context(), asked(t, "o-1", 3)); err != nil { // the same request in another event
			t.Error(err)
		}
		want(t, s, `parcels`, 1)
		want(t, s, `muster_outbox`, 2) // who asked again is told again
		p, err := find(t.Context(), s.db, "o-1")
		if err != nil || p.Order != "o-1" || p.Pieces != 3 || time.Since(p.Booked).Abs() > time.Minute {
			t.Errorf("%+v, %v", p, err)
		}
		var told string
		if err := s.db.QueryRowContext(t.Context(), `SELECT attributes FROM muster_outbox ORDER BY id LIMIT 1`).Scan(&told); err != nil || !strings.Contains(told, m.ID) {
			t.Errorf("the answer %s, %v does not name what it answers", told, err)
		}
	})
}

func TestDuplicatesAtOnceAreOneParcel(t *testing.T) {
	each(t, func(t *testing.T, replica func() *parcels) {
		const orders, copies = 5, 8
		replicas := []*parcels{replica(), replica()}
		var taking sync.WaitGroup
		for i := range orders {
			order := fmt.Sprint("o-", i)
			one, again := asked(t, order, 2), asked(t, order, 2)
			for c := range copies {
				taking.Go(func() {
					if err := replicas[c%2].take(t.Context(), []bus.Msg{one, again}[c/2%2]); err != nil {
						t.Error(err)
					}
				})
			}
		}
		taking.Wait()
		want(t, replicas[0], `parcels`, orders)
		want(t, replicas[0], `(SELECT DISTINCT order_id FROM parcels) AS o`, orders)
		want(t, replicas[0], `muster_outbox`, 2*orders) // one for each event
	})
}

func TestWhatCanNeverShipIsPutAside(t *testing.T) {
	each(t, func(t *testing.T, replica func() *parcels) {
		s := replica()
		if err := s.take(t.Context(), asked(t, "o-1", 3)); err != nil {
			t.Fatal(err)
		}
		broken := asked(t, "o-3", 1)
		broken.Data = []byte(`{"order":`)
		for name, m := range map[string]bus.Msg{
			"no order": asked(t, "", 1), "no pieces": asked(t, "o-2", 0), "less than none": asked(t, "o-2", -1),
			"another number": asked(t, "o-1", 4), "half an event": broken,
		} {
			if err := s.take(t.Context(), m); !bus.IsFinal(err) {
				t.Errorf("%s: %v, want a final error", name, err)
			}
		}
		want(t, s, `parcels`, 1)
		want(t, s, `muster_outbox`, 1)
		want(t, s, `muster_inbox`, 1)
	})
}

// A failure after the parcel was written takes it back, with the note that the event
// was handled; the next try does all of it.
func TestAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, replica func() *parcels) {
		s := replica()
		change := func(statement string) {
			if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		change(`ALTER TABLE muster_outbox RENAME TO elsewhere`)
		m := asked(t, "o-1", 3)
		if err := s.take(t.Context(), m); err == nil || bus.IsFinal(err) {
			t.Errorf("%v, want an error that another try may mend", err)
		}
		want(t, s, `parcels`, 0)
		want(t, s, `muster_inbox`, 0)
		change(`ALTER TABLE elsewhere RENAME TO muster_outbox`)
		if err := s.take(t.Context(), m); err != nil {
			t.Error(err)
		}
		want(t, s, `parcels`, 1)
		want(t, s, `muster_outbox`, 1)
	})
}

// Two replicas share a queue, one of them is replaced in the middle, and everything is
// published twice: each order has its parcel and its answer.
func TestTheQueueIsWorkedOff(t *testing.T) {
	each(t, func(t *testing.T, replica func() *parcels) {
		const orders = 60
		broker := memory.New()
		var msgs []bus.Msg
		for i := range orders {
			m := asked(t, fmt.Sprint("o-", i), int64(1+i%4))
			again := m
			again.ID += "-again"
			msgs = append(msgs, m, again)
		}
		for _, r := range broker.Publish(t.Context(), msgs) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		stop := work(t, broker, replica())
		stopOther := work(t, broker, replica())
		booked := collect(t, broker, orders/2)
		stop()
		stop = work(t, broker, replica())
		more := collect(t, broker, orders)
		stop()
		stopOther()
		want(t, replica(), `parcels`, orders)
		for order, parcel := range booked {
			if more[order] != parcel {
				t.Errorf("order %s was told of %s, then of %s", order, parcel, more[order])
			}
		}
	})
}

// work runs a replica: its consumer and its relay.
func work(t *testing.T, broker *memory.Broker, s *parcels) (stop func()) {
	t.Helper()
	relay := &outbox.Relay{DB: s.db, Publisher: broker.Connect(), Source: "/shipping"}
	consumer := &bus.Consumer{Broker: broker.Connect(), Group: "shipping", Parking: memory.NewParking()}
	handle := inbox.Once(s.db, events.ShippingRequested, s.book)
	if err := consumer.On(events.ShippingRequested.Name, func(ctx context.Context, d bus.Delivery) error {
		return handle(outbox.WithRelay(ctx, relay), d)
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{relay.Run, consumer.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// collect reads answers, from the first on, until so many orders have one.
func collect(t *testing.T, broker *memory.Broker, orders int) map[string]string {
	t.Helper()
	b := broker.Connect()
	defer b.Close()
	sub, err := b.Subscribe(t.Context(), bus.Subscription{Group: fmt.Sprint("reader-", orders), Topics: []string{events.ParcelBooked.Name}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	parcels := map[string]string{}
	for len(parcels) < orders {
		ds, err := sub.Receive(ctx, 100)
		if err != nil {
			t.Fatalf("%d orders of %d have an answer: %v", len(parcels), orders, err)
		}
		for _, d := range ds {
			booked, err := events.ParcelBooked.Decode(d.Msg)
			if known, told := parcels[booked.Order]; err != nil || d.Key != booked.Order || told && known != booked.Parcel {
				t.Errorf("%+v, %v; the order was told of %q before", booked, err, known)
			}
			parcels[booked.Order] = booked.Parcel
			if err := sub.Settle(ctx, bus.Verdict{Delivery: d, Action: bus.Ack}); err != nil {
				t.Error(err)
			}
		}
	}
	return parcels
}

func TestREST(t *testing.T) {
	each(t, func(t *testing.T, replica func() *parcels) {
		s := replica()
		if err := s.take(t.Context(), asked(t, "o-1", 3)); err != nil {
			t.Fatal(err)
		}
		api, err := routes(s, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for path, c := range map[string]struct {
			status int
			want   string
		}{
			"/v1/parcels/o-1": {http.StatusOK, `"pieces":3`},
			"/v1/parcels/o-2": {http.StatusNotFound, `order \"o-2\"`},
		} {
			w := httptest.NewRecorder()
			api.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}
