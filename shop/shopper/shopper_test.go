package shopper_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/shop/shopper"
)

// fake is a shop that keeps everything in memory. break, when set, may spoil an
// answer: it gets the operation and the answer about to be sent.
type fake struct {
	mu    sync.Mutex
	byKey map[string]any
	carts map[string][]map[string]any
	made  int

	orders map[string]map[string]any
	ends   bool // orders do, between the first and the second look
	spoil  func(operation string, answer map[string]any, w http.ResponseWriter)
}

func (f *fake) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/products", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		size, start := 20, 0
		if q.Get("category") != "" {
			size = 10
		}
		_, _ = fmt.Sscan(q.Get("cursor"), &start)
		items := make([]any, size)
		for i := range items {
			items[i] = product(q.Get("category"), start+i)
		}
		f.answer(w, "list "+q.Get("cursor"), 200, map[string]any{"items": items, "next": fmt.Sprint(start + size)})
	})
	mux.HandleFunc("GET /v1/products/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			f.answer(w, "product again", 304, nil)
			return
		}
		category, number, _ := strings.Cut(r.PathValue("id"), "-")
		n, _ := strconv.Atoi(number)
		f.answer(w, "product", 200, product(category, n))
	})
	mux.HandleFunc("POST /v1/carts", func(w http.ResponseWriter, r *http.Request) {
		f.answer(w, "cart", 201, map[string]any{"id": f.id()})
	})
	mux.HandleFunc("POST /v1/carts/{id}/lines", func(w http.ResponseWriter, r *http.Request) {
		l, again := f.once(r, func(l map[string]any) {
			id := r.PathValue("id")
			f.carts[id] = append(f.carts[id], l)
		})
		f.answer(w, "line"+again, 201, l)
	})
	mux.HandleFunc("GET /v1/carts/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		lines := f.carts[r.PathValue("id")]
		f.mu.Unlock()
		f.answer(w, "cart page", 200, map[string]any{"id": r.PathValue("id"), "lines": lines})
	})
	mux.HandleFunc("POST /v1/orders", func(w http.ResponseWriter, r *http.Request) {
		o, again := f.once(r, func(o map[string]any) {
			o["state"], o["lines"] = "pending", f.carts[o["cart"].(string)]
			f.orders[o["id"].(string)] = o
		})
		w.Header().Set("Location", fmt.Sprint("/v1/orders/", o["id"]))
		f.answer(w, "order"+again, 202, o)
	})
	mux.HandleFunc("POST /v1/orders/{id}/cancel", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		o := f.orders[r.PathValue("id")]
		late := len(f.orders)%2 == 0
		if o["state"] = "failed"; late {
			o["state"] = "confirmed"
		}
		f.mu.Unlock()
		f.answer(w, "cancel", map[bool]int{false: 202, true: 409}[late], o)
	})
	mux.HandleFunc("GET /v1/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		o := f.orders[r.PathValue("id")]
		shown := maps.Clone(o)
		if o["state"] == "pending" && f.ends {
			o["state"] = []string{"confirmed", "failed"}[len(f.orders)%2] // when it is asked for again
		}
		f.mu.Unlock()
		f.answer(w, fmt.Sprint("order page ", shown["state"]), 200, shown)
	})
	return mux
}

// product makes a product that is known by its id alone.
func product(category string, n int) map[string]any {
	return map[string]any{"id": fmt.Sprintf("%s-%d", cmp.Or(category, "any"), n), "category": cmp.Or(category, "any"), "price": 2000 + n}
}

func (f *fake) id() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	return fmt.Sprintf("id-%d", f.made)
}

// once makes what a body asks for, the first time its key is seen.
func (f *fake) once(r *http.Request, fill func(map[string]any)) (made map[string]any, again string) {
	id := f.id()
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if known := f.byKey[key]; known != nil && key != "" {
		return known.(map[string]any), " again"
	}
	made = map[string]any{}
	_ = json.NewDecoder(r.Body).Decode(&made)
	made["id"] = id
	fill(made)
	f.byKey[key] = made
	return made, ""
}

func (f *fake) answer(w http.ResponseWriter, operation string, status int, body map[string]any) {
	shown := maps.Clone(body)
	if f.spoil != nil {
		f.spoil(operation, shown, w)
	}
	w.WriteHeader(status)
	if status != 304 {
		_ = json.NewEncoder(w).Encode(shown) //nolint:errchkjson // maps of texts and numbers
	}
}

// shop runs shoppers against a fake for some (faked) time.
func shop(t *testing.T, cfg shopper.Config, spoil func(string, map[string]any, http.ResponseWriter)) shopper.Result {
	t.Helper()
	return visit(t, cfg, &fake{ends: true, spoil: spoil})
}

func visit(t *testing.T, cfg shopper.Config, f *fake) shopper.Result {
	t.Helper()
	f.byKey, f.carts, f.orders = map[string]any{}, map[string][]map[string]any{}, map[string]map[string]any{}
	var got shopper.Result
	synctest.Test(t, func(t *testing.T) {
		h := f.handler()
		cfg.URL = "http://shop"
		cfg.Client = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec.Result(), nil
		})}
		got = shopper.Run(t.Context(), cfg)
	})
	return got
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAGoodShopIsFoundGood(t *testing.T) {
	r := shop(t, shopper.Config{Shoppers: 4, Careless: true, For: 60 * time.Second, Think: 100 * time.Millisecond, Seed: 1}, nil)
	if r.Failed != 0 || r.Careless.Failed != 0 {
		t.Fatalf("failed: %v, careless: %v", r.Failures, r.Careless.Failures)
	}
	if r.Requests < 1200 || r.Orders < 60 || r.Careless.Orders < 18 {
		t.Errorf("%s, careless %+v: too little was done", r, r.Careless)
	}
	if len(r.Ledger.Orders) != r.Orders+r.Careless.Orders || len(r.Ledger.Lines) < len(r.Ledger.Orders) {
		t.Errorf("the ledger has %d orders and %d lines; counted were %d and %d orders",
			len(r.Ledger.Orders), len(r.Ledger.Lines), r.Orders, r.Careless.Orders)
	}
	states, cancels := map[string]int{}, map[int]int{}
	for _, o := range r.Ledger.Orders {
		states[o.State]++
		cancels[o.Cancel]++
	}
	if states["confirmed"] != r.Confirmed+r.Careless.Confirmed || states["failed"] != r.Compensated+r.Careless.Compensated || r.Confirmed == 0 || r.Compensated == 0 {
		t.Errorf("the ledger has %v; counted were %+v and %+v", states, r.Tally, r.Careless)
	}
	if states["pending"] > 10 {
		t.Errorf("%d orders were not seen to end, though every one did", states["pending"])
	}
	if cancels[202] == 0 || cancels[409] == 0 || cancels[0] < 4*len(r.Ledger.Orders)/5 {
		t.Errorf("cancelled, by answer: %v", cancels)
	}
}

// Orders that do not end keep nobody from shopping on, and fail no request.
func TestShoppersDoNotWaitForTheirOrders(t *testing.T) {
	r := visit(t, shopper.Config{Shoppers: 2, For: 60 * time.Second, Think: 100 * time.Millisecond, Seed: 1}, &fake{})
	if r.Failed > 0 || r.Orders < 25 || r.Confirmed+r.Compensated > r.Orders/5 {
		t.Errorf("%+v", r.Tally)
	}
}

func TestTheRateIsABound(t *testing.T) {
	r := shop(t, shopper.Config{Shoppers: 20, For: 10 * time.Second, Rate: 50, Seed: 1}, nil)
	if r.Requests < 490 || r.Requests > 501 {
		t.Errorf("%d requests in 10 s at 50 a second", r.Requests)
	}
}

// Each row spoils one kind of answer; shoppers must notice.
func TestABadShopIsFoundOut(t *testing.T) {
	set := func(field string, value any) func(map[string]any, http.ResponseWriter) {
		return func(a map[string]any, _ http.ResponseWriter) { a[field] = value }
	}
	told := map[any]bool{} // orders shown as confirmed
	tests := []struct {
		operation string
		spoil     func(map[string]any, http.ResponseWriter)
		told      string
	}{
		{"list ", set("items", nil), "the first page has 0 products"},
		{"list 10", set("items", []any{product("tea", 1)}), "does not belong on this page"},
		{"product", set("price", 1), "was {ID:"},
		{"product", func(_ map[string]any, w http.ResponseWriter) { w.Header().Del("ETag") }, "its entity tag is"},
		{"product again", func(_ map[string]any, w http.ResponseWriter) { w.WriteHeader(200) }, "the same answer came in full"},
		{"cart", set("id", ""), "the cart has no id"},
		{"line", set("quantity", 99), "was added and line"},
		{"line again", set("id", "other"), "then {ID:other"},
		{"cart page", set("lines", nil), "put in were"},
		{"order", set("state", "paid"), "was ordered and order"},
		{"order", func(_ map[string]any, w http.ResponseWriter) { w.Header().Del("Location") }, `to be found at ""`},
		{"order", func(_ map[string]any, w http.ResponseWriter) { w.WriteHeader(201) }, "status 201"},
		{"order again", set("id", "other"), "then other"},
		{"cancel", func(_ map[string]any, w http.ResponseWriter) { w.WriteHeader(404) }, "status 404"},
		{"order page pending", set("state", "lost"), "State:lost"},
		{"order page confirmed", set("lines", nil), "lines, is {"},
		{"order page failed", set("state", "confirmed"), "was cancelled and is confirmed"},
		{"order page confirmed", func(a map[string]any, _ http.ResponseWriter) {
			if told[a["id"]] {
				a["state"] = "pending"
			}
			told[a["id"]] = true
		}, "was confirmed and is pending"},
	}
	for _, tc := range tests {
		t.Run(tc.operation+" "+tc.told, func(t *testing.T) {
			r := shop(t, shopper.Config{Shoppers: 1, For: time.Minute, Think: 50 * time.Millisecond, Seed: 3}, func(operation string, a map[string]any, w http.ResponseWriter) {
				if operation == tc.operation {
					tc.spoil(a, w)
				}
			})
			if r.Failed == 0 || !strings.Contains(strings.Join(r.Failures, "\n"), tc.told) {
				t.Errorf("%d failed, told is %q, want %q", r.Failed, r.Failures, tc.told)
			}
		})
	}
}

func ExampleRun() {
	// Four shoppers and a careless one visit the shop behind this URL for a while.
	_ = func(url string) {
		fmt.Println(shopper.Run(nil, shopper.Config{ //nolint:staticcheck // an example that is only compiled
			URL: url, Shoppers: 4, Careless: true, For: 30 * time.Second, Think: 20 * time.Millisecond, Seed: 1,
		}))
	}
	fmt.Println(shopper.Result{Tally: shopper.Tally{Requests: 1200, Orders: 90}, P50: 2 * time.Millisecond, P99: 9 * time.Millisecond})
	// Output: requests=1200 orders=90 failed=0 p50=2ms p99=9ms
}
