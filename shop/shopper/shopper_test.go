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
	spoil func(operation string, answer map[string]any, w http.ResponseWriter)
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
			o["state"], o["lines"] = "confirmed", f.carts[o["cart"].(string)]
			f.carts[o["id"].(string)] = f.carts[o["cart"].(string)]
		})
		f.answer(w, "order"+again, 201, o)
	})
	mux.HandleFunc("GET /v1/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		lines := f.carts[r.PathValue("id")]
		f.mu.Unlock()
		f.answer(w, "order page", 200, map[string]any{"id": r.PathValue("id"), "state": "confirmed", "lines": lines})
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
	var got shopper.Result
	synctest.Test(t, func(t *testing.T) {
		f := &fake{byKey: map[string]any{}, carts: map[string][]map[string]any{}, spoil: spoil}
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
	r := shop(t, shopper.Config{Shoppers: 4, Careless: true, For: 10 * time.Second, Think: 100 * time.Millisecond, Seed: 1}, nil)
	if r.Failed != 0 || r.Careless.Failed != 0 {
		t.Fatalf("failed: %v, careless: %v", r.Failures, r.Careless.Failures)
	}
	if r.Requests < 200 || r.Orders < 10 || r.Careless.Orders < 3 {
		t.Errorf("%s, careless %+v: too little was done", r, r.Careless)
	}
	if len(r.Ledger.Orders) != r.Orders+r.Careless.Orders || len(r.Ledger.Lines) < len(r.Ledger.Orders) {
		t.Errorf("the ledger has %d orders and %d lines; counted were %d and %d orders",
			len(r.Ledger.Orders), len(r.Ledger.Lines), r.Orders, r.Careless.Orders)
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
		{"order", set("state", "failed"), "was ordered and order"},
		{"order again", set("id", "other"), "then other"},
		{"order page", set("state", "pending"), "State:pending"},
	}
	for _, tc := range tests {
		t.Run(tc.operation+" "+tc.told, func(t *testing.T) {
			r := shop(t, shopper.Config{Shoppers: 1, For: 20 * time.Second, Think: 50 * time.Millisecond, Seed: 3}, func(operation string, a map[string]any, w http.ResponseWriter) {
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
