package orders

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/inventory"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// neighbours are the other services of a test: a cart in memory, and inventory
// itself on a database of its own. fault may fail a call before or after it had its
// effect, as a crash or a lost answer does.
type neighbours struct {
	stock *inventory.Server

	mu    sync.Mutex
	carts map[string][]*cartv1.Line
	lines int // filled so far
	fault func(moment string) error
}

func (n *neighbours) strike(moment string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fault == nil {
		return nil
	}
	return n.fault(moment)
}

func call[Req, Res any](ctx context.Context, n *neighbours, name string, req Req, do func(context.Context, Req) (Res, error)) (res Res, err error) {
	if err = n.strike("before " + name); err == nil {
		if res, err = do(ctx, req); err == nil {
			err = n.strike("after " + name)
		}
	}
	return res, problem.ToGRPC(err)
}

type stockClient struct {
	inventoryv1.InventoryClient // the methods that orders does not call
	*neighbours
}

func (c stockClient) Reserve(ctx context.Context, req *inventoryv1.ReserveRequest, _ ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	return call(ctx, c.neighbours, "reserve", req, c.stock.Reserve)
}

func (c stockClient) Confirm(ctx context.Context, req *inventoryv1.ConfirmRequest, _ ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	return call(ctx, c.neighbours, "confirm", req, c.stock.Confirm)
}

func (c stockClient) Release(ctx context.Context, req *inventoryv1.ReleaseRequest, _ ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	return call(ctx, c.neighbours, "release", req, c.stock.Release)
}

type cartClient struct{ *neighbours }

func (c cartClient) Get(ctx context.Context, req *cartv1.GetRequest, _ ...grpc.CallOption) (*cartv1.GetResponse, error) {
	return call(ctx, c.neighbours, "get", req, func(_ context.Context, req *cartv1.GetRequest) (*cartv1.GetResponse, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		lines, ok := c.carts[req.GetId()]
		if !ok {
			return nil, problem.New(problem.NotFound, "no cart")
		}
		return &cartv1.GetResponse{Id: req.GetId(), Lines: slices.Clone(lines)}, nil
	})
}

func (c cartClient) Clear(ctx context.Context, req *cartv1.ClearRequest, _ ...grpc.CallOption) (*cartv1.ClearResponse, error) {
	return call(ctx, c.neighbours, "clear", req, func(_ context.Context, req *cartv1.ClearRequest) (*cartv1.ClearResponse, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.carts[req.GetId()] = slices.DeleteFunc(c.carts[req.GetId()], func(l *cartv1.Line) bool {
			return slices.Contains(req.GetLineIds(), l.GetId())
		})
		return &cartv1.ClearResponse{}, nil
	})
}

// fill puts a line of product p-1001 and one of p-1002 into a cart.
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

func (n *neighbours) wantStock(t *testing.T, product string, reserved, sold int64) {
	t.Helper()
	s, err := n.stock.Get(t.Context(), &inventoryv1.GetRequest{Product: product})
	if err != nil || s.GetReserved() != reserved || s.GetSold() != sold || s.GetFree() != 1_000_000-reserved-sold {
		t.Errorf("stock %v, %v; want %d reserved and %d sold", s, err, reserved, sold)
	}
}

// each runs a test on both engines. replica returns the service on one more pool.
func each(t *testing.T, test func(t *testing.T, n *neighbours, replica func() *orders)) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		n := &neighbours{stock: inventory.NewServer(engines.SQLite(t, inventory.Service.Migrations)), carts: map[string][]*cartv1.Line{}}
		test(t, n, func() *orders {
			db := open()
			if err := idempotency.Migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			return &orders{db: db, cart: cartClient{n}, inventory: stockClient{neighbours: n}, log: slog.New(slog.DiscardHandler)}
		})
	})
}

// keyed returns a context as the middleware makes it.
func keyed(t *testing.T, key, cart string) context.Context {
	t.Helper()
	return idempotency.WithRequest(t.Context(), idempotency.Request{Scope: "POST /v1/orders", Key: key, Fingerprint: [32]byte([]byte(fmt.Sprintf("%-32s", cart)))})
}

func wantCode(t *testing.T, what string, err error, want problem.Code) {
	t.Helper()
	if got := problem.CodeOf(err); got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func count(t *testing.T, s *orders, condition string) int {
	t.Helper()
	var n int
	if err := s.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM orders WHERE `+condition).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// crashed makes attempts that gave up look as if their processes had died: they
// still have their orders.
func crashed(t *testing.T, s *orders) {
	t.Helper()
	later := time.Now().Add(time.Hour).UnixMilli()
	if _, err := s.db.ExecContext(t.Context(), `UPDATE orders SET leased_until = $1 WHERE settled = 0`, later); err != nil {
		t.Fatal(err)
	}
}

// idle lets the leases of attempts that ended end, as time does.
func idle(t *testing.T, s *orders) {
	t.Helper()
	for _, statement := range []string{`UPDATE orders SET leased_until = 0`, `UPDATE muster_idempotency SET locked_until = 0`} {
		if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
