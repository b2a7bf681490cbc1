package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

func TestACartBecomesAnOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		w.fill("c-1", 2, 1)
		res, text := r.send(t, "POST", "/v1/orders", "k", `{"cart":"c-1"}`, 202)
		var a accepted
		if err := json.Unmarshal([]byte(text), &a); err != nil || a.State != pending || text != fmt.Sprintf(`{"id":%q,"state":"pending"}`, a.ID) || res.Header.Get("Location") != "/v1/orders/"+a.ID {
			t.Fatalf("accepted as %s at %q, %v", text, res.Header.Get("Location"), err)
		}
		o := w.ended(t, a.ID)
		if o.State != confirmed || o.Total != 750 || len(o.Lines) != 2 || o.Cart != "c-1" {
			t.Errorf("%+v", o)
		}
		w.wantStock(t, "p-1001", 0, 2)
		w.wantStock(t, "p-1002", 0, 1)
		if left := w.left("c-1"); left != 0 {
			t.Errorf("the cart has %d lines left", left)
		}
		if _, again := r.send(t, "POST", "/v1/orders", "k", `{"cart":"c-1"}`, 202); again != text {
			t.Errorf("the repeated request is answered %s, the first was %s", again, text)
		}
		if _, page := r.send(t, "GET", "/v1/orders/"+a.ID, "", "", 200); !strings.Contains(page, `"state":"confirmed"`) {
			t.Errorf("the order is %s", page)
		}
		if _, late := r.send(t, "POST", "/v1/orders/"+a.ID+"/cancel", "", "", 409); !strings.Contains(late, "confirmed") {
			t.Errorf("a late cancellation is answered %s", late)
		}
		r.send(t, "GET", "/v1/orders/o-0", "", "", 404)
		r.send(t, "POST", "/v1/orders/o-0/cancel", "", "", 404)
		r.send(t, "POST", "/v1/orders", "k", `{"cart":"c-2"}`, 422)
		r.send(t, "POST", "/v1/orders", "k2", `{"basket":"c-2"}`, 400)
	})
}

func TestTheSameKeyIsOneOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		one, two := w.start(), w.start()
		w.fill("c-1", 2)
		first, err := one.place(one.keyed(t, "k", "c-1"), "c-1")
		if err != nil {
			t.Fatal(err)
		}
		w.ended(t, first.ID)
		w.fill("c-1", 5) // the shopper goes on; the order stays what it was
		for range 2 {
			again, err := two.place(two.keyed(t, "k", "c-1"), "c-1")
			if err != nil || again != first {
				t.Errorf("%+v, %v; want %+v", again, err, first)
			}
		}
		_, err = one.place(one.keyed(t, "k", "c-2"), "c-2")
		wantCode(t, "the same key for another cart", err, problem.Unprocessable)
		w.wantStock(t, "p-1001", 0, 2)
		w.ended(t, one.order(t, "c-1"))
		w.fill("c-1", 1)
		w.ended(t, two.order(t, "c-1"))
		if got := w.count(t, "orders WHERE state = 'confirmed'"); got != 3 {
			t.Errorf("%d orders, want 3: each request without a key makes another", got)
		}
	})
}

// However many want to order what is in a cart, it is sold once; and when the order
// failed, it may be ordered again.
func TestACartIsSoldOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		w.fill("c-1", 3)
		var placing sync.WaitGroup
		answers, errs := make([]accepted, 4), make([]error, 4)
		for i := range errs {
			placing.Go(func() { answers[i], errs[i] = r.place(r.keyed(t, fmt.Sprint("k", i), "c-1"), "c-1") })
		}
		placing.Wait()
		for i, err := range errs {
			if err == nil {
				w.ended(t, answers[i].ID)
			} else if code := problem.CodeOf(err); code != problem.Conflict && code != problem.Unprocessable { // ordered, or gone from the cart
				t.Errorf("err = %v", err)
			}
		}
		if got := w.count(t, "orders WHERE state = 'confirmed'"); got != 1 {
			t.Errorf("%d orders of one cart, want 1", got)
		}
		w.wantStock(t, "p-1001", 0, 3)

		w.fill("c-2", 99_999)
		w.sellOut(t)
		for range 2 {
			if o := w.ended(t, r.order(t, "c-2")); o.State != failed {
				t.Errorf("%+v", o)
			}
		}
		if got := w.count(t, "orders WHERE state = 'failed'"); got != 2 {
			t.Errorf("%d failed orders, want 2: a failed one does not keep its lines", got)
		}
	})
}

func TestOutOfStockFailsAndHoldsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		w.fill("c-1", 99_999, 1)
		w.sellOut(t)
		o := w.ended(t, r.order(t, "c-1"))
		if o.State != failed || !strings.Contains(o.Reason, "p-1001") || !strings.Contains(o.Reason, "out of stock") || w.left("c-1") != 2 {
			t.Errorf("%+v; the cart has %d lines", o, w.left("c-1"))
		}
		w.wantStock(t, "p-1002", 0, 0)
		if w.money[o.ID] != nil {
			t.Error("money was asked for")
		}
		w.fill("c-2", 1)
		w.carts["c-2"][0].Product = "p-9"
		if o := w.ended(t, r.order(t, "c-2")); o.State != failed || !strings.Contains(o.Reason, "p-9") {
			t.Errorf("of an unknown product: %+v", o)
		}
	})
}

// curt is an inventory that refuses without a word.
type curt struct{ stockClient }

func (curt) Reserve(context.Context, *inventoryv1.ReserveRequest, ...grpc.CallOption) (*inventoryv1.Reservation, error) {
	return nil, status.Error(codes.NotFound, "")
}

// It is inventory's answer, not its text, that decides about an order.
func TestARefusalWithoutTextIsARefusal(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		r.inventory = curt{stockClient{neighbours: w.neighbours}}
		w.fill("c-1", 2)
		if o := w.ended(t, r.order(t, "c-1")); o.State != failed || o.Reason == "" || w.left("c-1") != 1 {
			t.Errorf("%+v; the cart has %d lines", o, w.left("c-1"))
		}
		w.wantStock(t, "p-1001", 0, 0)
	})
}

func TestADeclinedCardFailsTheOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		w.poor = true
		w.fill("c-1", 2)
		if o := w.ended(t, r.order(t, "c-1")); o.State != failed || o.Reason != "the card was declined" || w.left("c-1") != 1 {
			t.Errorf("%+v; the cart has %d lines", o, w.left("c-1"))
		}
		w.wantStock(t, "p-1001", 0, 0)
	})
}

func TestACartThatCannotBeOrdered(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		w.carts["empty"] = nil
		w.fill("unpriced", 1)
		w.carts["unpriced"][0].PriceCents = nil
		for cart, want := range map[string]problem.Code{"none": problem.Unprocessable, "empty": problem.Unprocessable, "unpriced": problem.Unavailable} {
			_, err := r.place(r.keyed(t, "k-"+cart, cart), cart)
			wantCode(t, cart, err, want)
		}
		if w.count(t, "orders")+w.count(t, "muster_saga") != 0 {
			t.Error("an order was written")
		}
		w.fill("empty", 1)
		a, err := r.place(r.keyed(t, "k-empty", "empty"), "empty")
		if err != nil {
			t.Fatalf("the same request once the cart has something: %v", err)
		}
		w.ended(t, a.ID)
	})
}

func TestManyReplicasManyRequests(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const keys, tries = 6, 4
		replicas := []*replica{w.start(), w.start()}
		for k := range keys {
			w.fill(fmt.Sprint("c-", k), 1, 2)
		}
		ids := make([]map[string]bool, keys)
		var mu sync.Mutex
		var placing sync.WaitGroup
		for i := range keys * tries {
			k, r := i%keys, replicas[i/keys%2]
			placing.Go(func() {
				cart := fmt.Sprint("c-", k)
				a, err := r.place(r.keyed(t, cart, cart), cart)
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
					ids[k][a.ID] = true
				}
			})
		}
		placing.Wait()
		for k, got := range ids {
			if len(got) != 1 {
				t.Errorf("key %d got the orders %v", k, got)
			}
			for id := range got {
				if o := w.ended(t, id); o.State != confirmed {
					t.Errorf("%+v", o)
				}
			}
		}
		w.wantStock(t, "p-1002", 0, 2*keys)
	})
}

func TestListIsPagedTheNewestFirst(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		for i := range 5 {
			w.fill(fmt.Sprint("c-", i), 1)
			w.ended(t, r.order(t, fmt.Sprint("c-", i)))
			if _, err := w.db.ExecContext(t.Context(), `UPDATE orders SET created_at = $1 WHERE cart = $2`, 1000*i, fmt.Sprint("c-", i)); err != nil {
				t.Fatal(err)
			}
		}
		var carts string
		for values := (url.Values{"limit": {"2"}, "state": {confirmed}}); ; {
			q, err := page.Parse(values, list)
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.list(t.Context(), q)
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
