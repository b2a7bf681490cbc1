package inventory

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/internal/engines"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

const (
	held      = inventoryv1.State_STATE_HELD
	confirmed = inventoryv1.State_STATE_CONFIRMED
	released  = inventoryv1.State_STATE_RELEASED
)

func each(t *testing.T, test func(t *testing.T, open func() *Server)) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		test(t, func() *Server { return served(t, open()) })
	})
}

// served is the service on a migrated database.
func served(t *testing.T, db *sql.DB) *Server {
	t.Helper()
	if err := outbox.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return NewServer(db)
}

// reserve makes a request from pairs of product and quantity.
func reserve(key string, lines ...any) *inventoryv1.ReserveRequest {
	req := &inventoryv1.ReserveRequest{Key: key}
	for i := 0; i < len(lines); i += 2 {
		req.Lines = append(req.Lines, &inventoryv1.Line{Product: lines[i].(string), Quantity: int32(lines[i+1].(int))})
	}
	return req
}

func wantStock(t *testing.T, s *Server, product string, free, reserved, sold int64) {
	t.Helper()
	got, err := s.Get(t.Context(), &inventoryv1.GetRequest{Product: product})
	want := &inventoryv1.Stock{Product: product, Free: free, Reserved: reserved, Sold: sold}
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("stock %v, %v; want %v", got, err, want)
	}
}

func wantCode(t *testing.T, what string, err error, want problem.Code) {
	t.Helper()
	if got := problem.CodeOf(err); got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func setFree(t *testing.T, s *Server, product string, free int) {
	t.Helper()
	if _, err := s.db.ExecContext(t.Context(), `UPDATE stock SET initial = $1, free = $1 WHERE product = $2`, free, product); err != nil {
		t.Fatal(err)
	}
}

func TestALeaseIsHeldThenConfirmedOrReleased(t *testing.T) {
	each(t, func(t *testing.T, open func() *Server) {
		ctx, s := t.Context(), open()
		setFree(t, s, "p-1001", 10)
		setFree(t, s, "p-1002", 10)
		got, err := s.Reserve(ctx, reserve("a", "p-1002", 2, "p-1001", 3, "p-1002", 1))
		want := &inventoryv1.Reservation{Key: "a", State: held, Lines: reserve("", "p-1001", 3, "p-1002", 3).Lines}
		if err != nil || !proto.Equal(got, want) {
			t.Fatalf("reserved %v, %v; want %v", got, err, want)
		}
		wantStock(t, s, "p-1001", 7, 3, 0)

		if got, err = s.Reserve(ctx, reserve("a", "p-1001", 3, "p-1002", 3)); err != nil || !proto.Equal(got, want) {
			t.Errorf("the same once more: %v, %v", got, err)
		}
		wantStock(t, s, "p-1001", 7, 3, 0)
		_, err = s.Reserve(ctx, reserve("a", "p-1001", 4, "p-1002", 3))
		wantCode(t, "other lines", err, problem.Unprocessable)

		for range 2 {
			if got, err = s.Confirm(ctx, &inventoryv1.ConfirmRequest{Key: "a"}); err != nil || got.GetState() != confirmed {
				t.Errorf("confirmed %v, %v", got, err)
			}
			wantStock(t, s, "p-1001", 7, 0, 3)
		}
		_, err = s.Release(ctx, &inventoryv1.ReleaseRequest{Key: "a"})
		wantCode(t, "release of what is sold", err, problem.Conflict)
		if got, err = s.Reserve(ctx, reserve("a", "p-1001", 3, "p-1002", 3)); err != nil || got.GetState() != confirmed {
			t.Errorf("reserve after confirm: %v, %v", got, err)
		}

		if _, err := s.Reserve(ctx, reserve("b", "p-1001", 7)); err != nil {
			t.Error(err)
		}
		for range 2 {
			if got, err = s.Release(ctx, &inventoryv1.ReleaseRequest{Key: "b"}); err != nil || got.GetState() != released {
				t.Errorf("released %v, %v", got, err)
			}
			wantStock(t, s, "p-1001", 7, 0, 3)
		}
		_, err = s.Confirm(ctx, &inventoryv1.ConfirmRequest{Key: "b"})
		wantCode(t, "confirm of what was released", err, problem.Gone)
	})
}

func TestALateReserveTakesNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() *Server) {
		ctx, s := t.Context(), open()
		setFree(t, s, "p-1001", 10)
		if _, err := s.Release(ctx, &inventoryv1.ReleaseRequest{Key: "never reserved"}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Reserve(ctx, reserve("never reserved", "p-1001", 1))
		wantCode(t, "reserve after release", err, problem.Gone)
		wantStock(t, s, "p-1001", 10, 0, 0)
	})
}

func TestAllLinesOrNone(t *testing.T) {
	each(t, func(t *testing.T, open func() *Server) {
		ctx, s := t.Context(), open()
		setFree(t, s, "p-1001", 10)
		setFree(t, s, "p-1002", 1)
		_, err := s.Reserve(ctx, reserve("a", "p-1001", 5, "p-1002", 2))
		wantCode(t, "too little of one", err, problem.Conflict)
		wantStock(t, s, "p-1001", 10, 0, 0)
		_, err = s.Reserve(ctx, reserve("a", "p-1001", 5, "p-9", 1))
		wantCode(t, "an unknown product", err, problem.NotFound)
		wantStock(t, s, "p-1001", 10, 0, 0)
		if _, err := s.Reserve(ctx, reserve("a", "p-1001", 5)); err != nil {
			t.Errorf("a key that took nothing is free for another try: %v", err)
		}
	})
}

func TestBadRequests(t *testing.T) {
	s := served(t, engines.SQLite(t, migrations))
	many := make([]any, 0, 2*(maxLines+1))
	for i := range maxLines + 1 {
		many = append(many, fmt.Sprintf("p-%d", 1001+i), 1)
	}
	long := reserve("a", "p-1001", 1)
	long.TtlSeconds = maxTTL + 1
	for name, req := range map[string]*inventoryv1.ReserveRequest{
		"no key":         reserve("", "p-1001", 1),
		"long key":       reserve(string(make([]byte, maxKey+1)), "p-1001", 1),
		"no lines":       reserve("a"),
		"too many lines": reserve("a", many...),
		"no pieces":      reserve("a", "p-1001", 0),
		"negative":       reserve("a", "p-1001", -1),
		"overflow":       reserve("a", "p-1001", maxQuantity, "p-1001", maxQuantity),
		"long ttl":       long,
	} {
		_, err := s.Reserve(t.Context(), req)
		wantCode(t, name, err, problem.InvalidArgument)
	}
	_, err := s.Release(t.Context(), &inventoryv1.ReleaseRequest{})
	wantCode(t, "release of no key", err, problem.InvalidArgument)
	_, err = s.Confirm(t.Context(), &inventoryv1.ConfirmRequest{Key: "x"})
	wantCode(t, "confirm of an unknown key", err, problem.NotFound)
	_, err = s.Get(t.Context(), &inventoryv1.GetRequest{Product: "p-9"})
	wantCode(t, "an unknown product", err, problem.NotFound)
	_, err = s.BatchGet(t.Context(), &inventoryv1.BatchGetRequest{})
	wantCode(t, "a batch of nothing", err, problem.InvalidArgument)
}

func TestBatchGetIsOrderedAndLeavesOutTheUnknown(t *testing.T) {
	each(t, func(t *testing.T, open func() *Server) {
		res, err := open().BatchGet(t.Context(), &inventoryv1.BatchGetRequest{Products: []string{"p-2000", "p-9", "p-1001"}})
		if err != nil || len(res.GetStock()) != 2 || res.GetStock()[0].GetProduct() != "p-1001" || res.GetStock()[1].GetFree() != 1_000_000 {
			t.Errorf("stock %v, %v", res, err)
		}
	})
}

// What the code must never do the tables refuse as well.
func TestTheTablesRefuseWrongSums(t *testing.T) {
	each(t, func(t *testing.T, open func() *Server) {
		db := open().db
		for _, statement := range []string{
			`UPDATE stock SET free = -1, sold = initial + 1`, `UPDATE stock SET reserved = -1, sold = 1`, `UPDATE stock SET sold = -1, reserved = 1`,
			`UPDATE stock SET free = free - 1`, `UPDATE stock SET sold = 1`,
			`INSERT INTO reservations VALUES ('a', 'lost', 1)`, `INSERT INTO reservation_lines VALUES ('none', 'p-1001', 1)`,
		} {
			if _, err := db.ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s was carried out", statement)
			}
		}
	})
}

func TestManyReplicasExpireALeaseOnce(t *testing.T) {
	each(t, func(t *testing.T, open func() *Server) {
		ctx := t.Context()
		replicas := []*Server{open(), open(), open()}
		s := replicas[0]
		setFree(t, s, "p-1001", 100)
		for i := range 10 {
			if _, err := s.Reserve(ctx, reserve(fmt.Sprint("over ", i), "p-1001", 3)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.db.ExecContext(ctx, `UPDATE reservations SET expires_at = 1`); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Reserve(ctx, reserve("lives", "p-1001", 5)); err != nil {
			t.Fatal(err)
		}
		var expiring sync.WaitGroup
		for _, r := range replicas {
			expiring.Go(func() {
				if err := r.Expire(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		expiring.Wait()
		wantStock(t, s, "p-1001", 95, 5, 0)
		_, err := s.Confirm(ctx, &inventoryv1.ConfirmRequest{Key: "over 3"})
		wantCode(t, "confirm of an expired lease", err, problem.Gone)
	})
}

// Many replicas at once reserve, repeat, confirm, release and expire a few pieces
// under few keys: whoever wins, the sums hold.
func TestStockHoldsUnderConcurrency(t *testing.T) {
	each(t, func(t *testing.T, open func() *Server) {
		ctx := t.Context()
		replicas := []*Server{open(), open(), open()}
		products := []string{"p-1001", "p-1002", "p-1003"}
		for _, p := range products {
			setFree(t, replicas[0], p, 20)
		}
		var working sync.WaitGroup
		for n := range 9 {
			s := replicas[n%len(replicas)]
			working.Go(func() {
				for i := range 20 {
					key := fmt.Sprint("key ", (n*7+i*3)%40)
					// The order of products differs on purpose: it must not lead to a deadlock.
					_, err := s.Reserve(ctx, reserve(key, products[(n+i)%3], 1+i%4, products[(n+2*i+1)%3], 1))
					mustBeRefusal(t, "reserve", err)
					switch i % 3 {
					case 0:
						_, err = s.Confirm(ctx, &inventoryv1.ConfirmRequest{Key: key})
					case 1:
						_, err = s.Release(ctx, &inventoryv1.ReleaseRequest{Key: key})
					default:
						err = s.Expire(ctx)
					}
					mustBeRefusal(t, "end", err)
				}
			})
		}
		working.Wait()
		db := replicas[0].db
		var wrong int
		if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM stock WHERE free < 0 OR initial <> free + reserved + sold
			OR reserved <> COALESCE((SELECT SUM(quantity) FROM reservation_lines l JOIN reservations r ON r.key = l.key
				WHERE l.product = stock.product AND r.state = 'held'), 0)
			OR sold <> COALESCE((SELECT SUM(quantity) FROM reservation_lines l JOIN reservations r ON r.key = l.key
				WHERE l.product = stock.product AND r.state = 'confirmed'), 0)`).Scan(&wrong); err != nil || wrong > 0 {
			t.Errorf("%d products have wrong sums, %v", wrong, err)
		}
		var sold int
		if err := db.QueryRowContext(ctx, `SELECT SUM(sold) FROM stock`).Scan(&sold); err != nil || sold == 0 {
			t.Errorf("%d pieces sold, %v: the test did nothing", sold, err)
		}
	})
}

// mustBeRefusal accepts what the contract allows when others were faster.
func mustBeRefusal(t *testing.T, what string, err error) {
	t.Helper()
	switch problem.CodeOf(err) {
	case "", problem.Conflict, problem.Gone, problem.Unprocessable, problem.NotFound:
	default:
		t.Errorf("%s: %v", what, err)
	}
}
