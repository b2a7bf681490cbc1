package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

func TestACartBecomesAnOrder(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		s := replica()
		n.fill("c-1", 2, 1)
		o, err := s.place(t.Context(), "c-1")
		if err != nil || o.State != confirmed || o.Total != 750 || len(o.Lines) != 2 || o.Cart != "c-1" {
			t.Fatalf("%+v, %v", o, err)
		}
		n.wantStock(t, "p-1001", 0, 2)
		n.wantStock(t, "p-1002", 0, 1)
		if len(n.carts["c-1"]) != 0 || count(t, s, "settled = 1") != 1 {
			t.Errorf("the cart has %v", n.carts["c-1"])
		}
		same, err := find(t.Context(), replica().db, o.ID)
		if err != nil || same.Total != 750 || same.Lines[0] != o.Lines[0] || !same.Created.Equal(o.Created) {
			t.Errorf("%+v, %v; want %+v", same, err, o)
		}
		_, err = find(t.Context(), s.db, "o-0")
		wantCode(t, "an unknown order", err, problem.NotFound)
	})
}

func TestTheSameKeyIsOneOrder(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		s := replica()
		n.fill("c-1", 2)
		first, err := s.place(keyed(t, "k", "c-1"), "c-1")
		if err != nil {
			t.Fatal(err)
		}
		n.fill("c-1", 5) // the shopper goes on; the order stays what it was
		for range 2 {
			again, err := replica().place(keyed(t, "k", "c-1"), "c-1")
			if err != nil || again.ID != first.ID || again.Total != first.Total {
				t.Errorf("%+v, %v; want %+v", again, err, first)
			}
		}
		_, err = s.place(keyed(t, "k", "c-2"), "c-2")
		wantCode(t, "the same key for another cart", err, problem.Unprocessable)
		n.wantStock(t, "p-1001", 0, 2)
		for range 2 {
			if _, err := s.place(t.Context(), "c-1"); err != nil {
				t.Error(err)
			}
			n.fill("c-1", 1)
		}
		if got := count(t, s, "state = 'confirmed'"); got != 3 {
			t.Errorf("%d orders, want 3: each request without a key makes another", got)
		}
	})
}

// However many want to order what is in a cart, it is sold once; and when the order
// failed, it may be ordered again.
func TestACartIsSoldOnce(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		s := replica()
		n.fill("c-1", 3)
		var placing sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			placing.Go(func() { _, errs[i] = s.place(keyed(t, fmt.Sprint("k", i), "c-1"), "c-1") })
		}
		placing.Wait()
		for _, err := range errs {
			if code := problem.CodeOf(err); err != nil && code != problem.Conflict && code != problem.Unprocessable {
				t.Errorf("err = %v", err)
			}
		}
		if got := count(t, s, "state = 'confirmed'"); got != 1 {
			t.Errorf("%d orders of one cart, want 1", got)
		}
		n.wantStock(t, "p-1001", 0, 3)

		n.fill("c-2", 2_000_000) // more than there is
		for range 2 {
			_, err := s.place(t.Context(), "c-2")
			wantCode(t, "out of stock, again and again", err, problem.Conflict)
		}
		if got := count(t, s, "state = 'failed'"); got != 2 {
			t.Errorf("%d failed orders, want 2: a failed one does not keep its lines", got)
		}
	})
}

func TestOutOfStockFailsAndHoldsNothing(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		s := replica()
		n.fill("c-1", 1, 1_000_000)
		n.carts["c-1"][1].Quantity = 100_000
		for i := range 10 { // ten times a tenth
			if _, err := n.stock.Reserve(t.Context(), &inventoryv1.ReserveRequest{Key: fmt.Sprint(i), Lines: []*inventoryv1.Line{{Product: "p-1002", Quantity: 100_000}}}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			o, err := s.place(keyed(t, "k", "c-1"), "c-1")
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != problem.Conflict || p.RetryAfter != 0 || p.Meta["order"] != o.ID {
				t.Errorf("%v, want a conflict that names the order and is final", err)
			}
		}
		n.wantStock(t, "p-1001", 0, 0)
		if count(t, s, "state = 'failed' AND settled = 1 AND reason LIKE '%p-1002%out of stock%'") != 1 || len(n.carts["c-1"]) != 2 {
			t.Errorf("the failed order is not as it should be; the cart has %v", n.carts["c-1"])
		}
		n.fill("c-2", 1)
		n.carts["c-2"][0].Product = "p-9"
		_, err := s.place(t.Context(), "c-2")
		wantCode(t, "an unknown product", err, problem.Conflict)
	})
}

func TestACartThatCannotBeOrdered(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		s := replica()
		n.carts["empty"] = nil
		n.fill("unpriced", 1)
		n.carts["unpriced"][0].PriceCents = nil
		for cart, want := range map[string]problem.Code{"none": problem.Unprocessable, "empty": problem.Unprocessable, "unpriced": problem.Unavailable} {
			_, err := s.place(keyed(t, "k-"+cart, cart), cart)
			wantCode(t, cart, err, want)
		}
		if count(t, s, "1 = 1") != 0 {
			t.Error("an order was written")
		}
		n.fill("empty", 1)
		if _, err := s.place(keyed(t, "k-empty", "empty"), "empty"); err != nil {
			t.Errorf("the same request once the cart has something: %v", err)
		}
	})
}

// At every moment of the process a call fails, before its effect or after it, and
// the attempt ends there. Whoever goes on, the client or another replica's worker,
// every order ends confirmed and sold, or failed with nothing held.
func TestACrashAtAnyMomentIsResumed(t *testing.T) {
	for _, short := range []bool{false, true} {
		for _, step := range []string{"reserve", "confirm", "release", "clear"} {
			for _, when := range []string{"before ", "after "} {
				if short != (step == "release") && when+step != "before reserve" {
					continue // the process does not come there
				}
				t.Run(fmt.Sprintf("%s%s, short %t", when, step, short), func(t *testing.T) {
					each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
						crashAndResume(t, n, replica, when+step, short)
					})
				})
			}
		}
	}
}

func crashAndResume(t *testing.T, n *neighbours, replica func() *orders, moment string, short bool) {
	t.Helper()
	first, second := replica(), replica()
	quantity, want := int32(3), confirmed
	if short {
		quantity, want = 99_999, failed
		if _, err := n.stock.Reserve(t.Context(), &inventoryv1.ReserveRequest{Key: "others", Lines: tenth("p-1001")}); err != nil {
			t.Fatal(err)
		}
		for i := range 9 {
			if _, err := n.stock.Reserve(t.Context(), &inventoryv1.ReserveRequest{Key: fmt.Sprint(i), Lines: tenth("p-1001")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	n.fill("c-1", quantity)
	n.fill("c-2", quantity)
	struck := map[string]int{}
	n.fault = func(m string) error {
		if m == moment && struck[m] < 2 {
			struck[m]++
			return status.Error(codes.Unavailable, "crashed")
		}
		return nil
	}
	_, err := first.place(keyed(t, "k-1", "c-1"), "c-1")
	if pending := count(t, first, "state = 'pending'"); pending != 0 {
		wantCode(t, "an attempt that was cut off", err, problem.Unknown)
	}
	_, _ = first.place(t.Context(), "c-2")
	if struck[moment] != 2 {
		t.Fatalf("the process did not come to %q twice", moment)
	}
	if count(t, first, "state = 'pending'") == 2 {
		crashed(t, first)
		_, err := second.place(keyed(t, "k-1", "c-1"), "c-1")
		wantCode(t, "a repetition while the lease lasts", err, problem.Conflict)
	}
	idle(t, first)
	again, err := second.place(keyed(t, "k-1", "c-1"), "c-1")
	if again.State != want || (err == nil) != (want == confirmed) {
		t.Errorf("the repeated request got %+v, %v", again, err)
	}
	idle(t, first)
	if err := second.resume(t.Context()); err != nil {
		t.Error(err)
	}
	if got := count(t, first, "settled = 1 AND state = '"+want+"'"); got != 2 || count(t, first, "1 = 1") != 2 {
		t.Errorf("%d of the two orders are %s and settled", got, want)
	}
	if short {
		n.wantStock(t, "p-1001", 1_000_000, 0)
		return
	}
	n.wantStock(t, "p-1001", 0, 6)
	if len(n.carts["c-1"])+len(n.carts["c-2"]) != 0 {
		t.Errorf("the carts have %v", n.carts)
	}
}

// An attempt that gives up leaves nothing that the next one must wait for.
func TestAnAttemptThatGaveUpIsCarriedOnAtOnce(t *testing.T) {
	for name, next := range map[string]func(t *testing.T, s *orders) error{
		"by the same request": func(t *testing.T, s *orders) error {
			t.Helper()
			_, err := s.place(keyed(t, "k", "c-1"), "c-1")
			return err
		},
		"by the worker": func(t *testing.T, s *orders) error { t.Helper(); return s.resume(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
				s := replica()
				n.fill("c-1", 2)
				n.fault = func(moment string) error {
					if moment != "before confirm" {
						return nil
					}
					n.fault = nil
					return status.Error(codes.Unavailable, "away for a moment")
				}
				_, err := s.place(keyed(t, "k", "c-1"), "c-1")
				wantCode(t, "the attempt that gave up", err, problem.Unknown)
				if err := next(t, replica()); err != nil {
					t.Error(err)
				}
				n.wantStock(t, "p-1001", 0, 2)
				if count(t, s, "state = 'confirmed' AND settled = 1") != 1 {
					t.Error("the order was not carried on")
				}
			})
		})
	}
}

// curt is an inventory that refuses without a word.
type curt struct{ stockClient }

func (curt) Reserve(context.Context, *inventoryv1.ReserveRequest, ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	return nil, status.Error(codes.NotFound, "")
}

// It is inventory's answer, not its text, that decides about an order.
func TestARefusalWithoutTextIsARefusal(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		s := replica()
		s.inventory = curt{stockClient{neighbours: n}}
		n.fill("c-1", 2)
		o, err := s.place(t.Context(), "c-1")
		wantCode(t, "an order that inventory refused", err, problem.Conflict)
		if o.State != failed || o.Reason != string(problem.NotFound) || count(t, s, "state = 'failed' AND settled = 1") != 1 {
			t.Errorf("%+v", o)
		}
		n.wantStock(t, "p-1001", 0, 0)
		if len(n.carts["c-1"]) != 1 {
			t.Errorf("the cart has %v", n.carts["c-1"])
		}
	})
}

func tenth(product string) []*inventoryv1.Line {
	return []*inventoryv1.Line{{Product: product, Quantity: 100_000}}
}

// An attempt that was slow beyond its lease changes nothing: neither while another
// has the order, nor when that one has decided.
func TestALostLeaseChangesNothing(t *testing.T) {
	for name, other := range map[string]func(ctx context.Context, quick *orders) error{
		"the other is at it": func(ctx context.Context, quick *orders) error {
			return tx.Do(ctx, quick.db, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE orders SET fence = fence + 1`) // as take does
				return err
			})
		},
		"the other has decided": func(ctx context.Context, quick *orders) error { return quick.resume(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
				slow, quick := replica(), replica()
				n.fill("c-1", 3)
				n.fault = func(moment string) error {
					if moment == "after reserve" { // here the slow one sleeps
						n.fault = nil
						n.mu.Unlock()
						defer n.mu.Lock()
						idle(t, quick)
						if err := other(t.Context(), quick); err != nil {
							t.Error(err)
						}
					}
					return nil
				}
				o, err := slow.place(t.Context(), "c-1")
				wantCode(t, "the slow attempt", err, problem.Unknown)
				if decided := count(t, slow, "state <> 'pending'"); decided != map[bool]int{true: 1}[strings.HasSuffix(name, "decided")] {
					t.Errorf("%d orders are decided", decided)
				}
				idle(t, quick)
				if err := quick.resume(t.Context()); err != nil {
					t.Error(err)
				}
				if o, err = find(t.Context(), slow.db, o.ID); err != nil || o.State != confirmed || !o.settled {
					t.Errorf("%+v, %v", o, err)
				}
				n.wantStock(t, "p-1001", 0, 3)
			})
		})
	}
}

func TestManyReplicasManyRequests(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		const keys, tries = 6, 4
		replicas := []*orders{replica(), replica()}
		for k := range keys {
			n.fill(fmt.Sprint("c-", k), 1, 2)
		}
		ids := make([]map[string]bool, keys)
		var mu sync.Mutex
		var placing sync.WaitGroup
		for i := range keys * tries {
			k := i % keys
			placing.Go(func() {
				cart := fmt.Sprint("c-", k)
				o, err := replicas[i/keys%2].place(keyed(t, cart, cart), cart)
				var p *problem.Error
				if err != nil && !(errors.As(err, &p) && p.RetryAfter > 0) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					if ids[k] == nil {
						ids[k] = map[string]bool{}
					}
					ids[k][o.ID] = true
				}
			})
		}
		placing.Wait()
		for k, got := range ids {
			if len(got) != 1 {
				t.Errorf("key %d got the orders %v", k, got)
			}
		}
		if got := count(t, replicas[0], "settled = 1 AND state = 'confirmed'"); got != keys {
			t.Errorf("%d orders, want %d", got, keys)
		}
		n.wantStock(t, "p-1002", 0, 2*keys)
	})
}

func TestListIsPagedTheNewestFirst(t *testing.T) {
	each(t, func(t *testing.T, n *neighbours, replica func() *orders) {
		s := replica()
		for i := range 5 {
			n.fill(fmt.Sprint("c-", i), 1)
			if _, err := s.place(t.Context(), fmt.Sprint("c-", i)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.db.ExecContext(t.Context(), `UPDATE orders SET created_at = $1 WHERE cart = $2`, 1000*i, fmt.Sprint("c-", i)); err != nil {
				t.Fatal(err)
			}
		}
		var carts string
		for values := (url.Values{"limit": {"2"}, "state": {confirmed}}); ; {
			q, err := page.Parse(values, list)
			if err != nil {
				t.Fatal(err)
			}
			p, err := s.list(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range p.Items {
				carts += o.Cart + " "
			}
			if p.Next == "" {
				break
			}
			values.Set("cursor", p.Next)
		}
		if carts != "c-4 c-3 c-2 c-1 c-0 " {
			t.Errorf("listed %s", carts)
		}
	})
}
