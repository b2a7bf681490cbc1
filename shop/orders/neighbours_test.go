package orders

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/inventory"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// neighbours are the other services of a test: carts in memory, inventory itself on a
// database of its own, and payments and shipping as their contracts have them. They
// say everything twice.
type neighbours struct {
	stock  *inventory.Server
	pieces *sql.DB // inventory's
	broker *memory.Broker
	poor   bool // all cards are declined

	mu    sync.Mutex
	carts map[string][]*cartv1.Line
	lines int // filled so far
	money map[string]*money
	sent  map[string]int    // parcels by order
	told  map[string]string // the topic by which orders told an order's end
}

// money is what payments knows of an order.
type money struct{ captured, refunded, charges int64 }

type stockClient struct {
	inventoryv1.InventoryClient // the methods that orders does not call
	*neighbours
}

func (c stockClient) Reserve(ctx context.Context, req *inventoryv1.ReserveRequest, _ ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	res, err := c.stock.Reserve(ctx, req)
	return res, problem.ToGRPC(err)
}

func (c stockClient) Confirm(ctx context.Context, req *inventoryv1.ConfirmRequest, _ ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	res, err := c.stock.Confirm(ctx, req)
	return res, problem.ToGRPC(err)
}

func (c stockClient) Release(ctx context.Context, req *inventoryv1.ReleaseRequest, _ ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	res, err := c.stock.Release(ctx, req)
	return res, problem.ToGRPC(err)
}

type cartClient struct{ *neighbours }

func (c cartClient) Get(_ context.Context, req *cartv1.GetRequest, _ ...grpc.CallOption) (*cartv1.GetResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines, ok := c.carts[req.GetId()]
	if !ok {
		return nil, problem.ToGRPC(problem.New(problem.NotFound, "no cart"))
	}
	return &cartv1.GetResponse{Id: req.GetId(), Lines: slices.Clone(lines)}, nil
}

func (c cartClient) Clear(_ context.Context, req *cartv1.ClearRequest, _ ...grpc.CallOption) (*cartv1.ClearResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.carts[req.GetId()] = slices.DeleteFunc(c.carts[req.GetId()], func(l *cartv1.Line) bool {
		return slices.Contains(req.GetLineIds(), l.GetId())
	})
	return &cartv1.ClearResponse{}, nil
}

// fill puts a line of product p-1001, one of p-1002 and so on into a cart.
func (n *neighbours) fill(cart string, quantities ...int32) {
	price := int64(250)
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, q := range quantities {
		n.lines++
		n.carts[cart] = append(n.carts[cart], &cartv1.Line{
			Id: fmt.Sprintf("%s-l%d", cart, n.lines), Product: fmt.Sprintf("p-%d", 1001+i), Name: "Thing", Quantity: q, PriceCents: &price,
		})
	}
}

// left returns how many lines a cart has.
func (n *neighbours) left(cart string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.carts[cart])
}

// listen has payments and shipping answer, and notes what orders tells.
func (n *neighbours) listen(t *testing.T) {
	t.Helper()
	for group, handlers := range map[string]map[string]bus.Handler{
		"payments": {
			events.PaymentRequested.Name: bus.Typed(events.PaymentRequested, n.charge),
			events.RefundRequested.Name:  bus.Typed(events.RefundRequested, n.refund),
		},
		"shipping": {events.ShippingRequested.Name: bus.Typed(events.ShippingRequested, n.book)},
		"notify": {
			events.OrderConfirmed.Name: bus.Typed(events.OrderConfirmed, func(_ context.Context, d bus.Delivery, e events.Confirmation) error {
				return n.end(e.Order, d.Topic)
			}),
			events.OrderFailed.Name: bus.Typed(events.OrderFailed, func(_ context.Context, d bus.Delivery, e events.Failure) error {
				return n.end(e.Order, d.Topic)
			}),
		},
	} {
		c := &bus.Consumer{Broker: n.broker.Connect(), Group: group, Parking: memory.NewParking()}
		for topic, handler := range handlers {
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
	}
}

func (n *neighbours) charge(ctx context.Context, _ bus.Delivery, e events.PaymentRequest) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.money[e.Order]
	if m == nil {
		m = &money{}
		n.money[e.Order] = m
		if !n.poor {
			m.captured, m.charges = e.Cents, 1
		}
	}
	if m.charges == 0 {
		return say(ctx, n, events.PaymentDeclined, e.Order, events.Refusal{Order: e.Order, Reason: "the card was declined"})
	}
	return say(ctx, n, events.PaymentCaptured, e.Order, events.Payment{Order: e.Order, Charge: "ch-" + e.Order, Cents: m.captured})
}

func (n *neighbours) refund(ctx context.Context, _ bus.Delivery, e events.RefundRequest) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.money[e.Order] == nil {
		n.money[e.Order] = &money{}
	}
	m := n.money[e.Order]
	m.refunded = m.captured
	return say(ctx, n, events.PaymentRefunded, e.Order, events.Refund{Order: e.Order, Cents: m.refunded})
}

func (n *neighbours) book(ctx context.Context, _ bus.Delivery, e events.Shipment) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent[e.Order] = 1
	return say(ctx, n, events.ParcelBooked, e.Order, events.Parcel{Order: e.Order, Parcel: "pa-" + e.Order})
}

func (n *neighbours) end(order, topic string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if told := n.told[order]; told != "" {
		return bus.Final(fmt.Errorf("order %s is told as %s and as %s", order, told, topic))
	}
	n.told[order] = topic
	return nil
}

// say publishes an event, and then the same news in another event.
func say[T any](ctx context.Context, n *neighbours, topic bus.Topic[T], key string, event T) error {
	for range 2 {
		m, err := topic.Msg(ctx, key, event)
		if err != nil {
			return err
		}
		m.Source = "/neighbours"
		if err := n.broker.Publish(ctx, []bus.Msg{m})[0].Err; err != nil {
			return err
		}
	}
	return nil
}

func (n *neighbours) wantStock(t *testing.T, product string, reserved, sold int64) {
	t.Helper()
	s, err := n.stock.Get(t.Context(), &inventoryv1.GetRequest{Product: product})
	if err != nil || s.GetReserved() != reserved || s.GetSold() != sold || s.GetFree() != 1_000_000-reserved-sold {
		t.Errorf("stock %v, %v; want %d reserved and %d sold", s, err, reserved, sold)
	}
}

// sold returns how many pieces of p-1001 are sold.
func (n *neighbours) sold(t *testing.T) int64 {
	t.Helper()
	s, err := n.stock.Get(t.Context(), &inventoryv1.GetRequest{Product: "p-1001"})
	if err != nil || s.GetReserved() != 0 {
		t.Errorf("%v, %v; nothing is to be reserved now", s, err)
	}
	return s.GetSold()
}

// lapse ends what is reserved, as its time does.
func (n *neighbours) lapse(ctx context.Context) error {
	if _, err := n.pieces.ExecContext(ctx, `UPDATE reservations SET expires_at = 1`); err != nil {
		return err
	}
	return n.stock.Expire(ctx)
}

// sellOut leaves only a hundred pieces of p-1001.
func (n *neighbours) sellOut(t *testing.T) {
	t.Helper()
	for i := range 10 {
		if _, err := n.stock.Reserve(t.Context(), &inventoryv1.ReserveRequest{Key: fmt.Sprint("others ", i), Lines: []*inventoryv1.Line{{Product: "p-1001", Quantity: 99_990}}}); err != nil {
			t.Fatal(err)
		}
	}
}
