package cart

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/internal/engines"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
)

// shelf is catalog: it knows p-1 at 100 cents, p-2 at 200 and so on to p-9, or is away.
type shelf struct {
	catalogv1.CatalogClient
	away   bool
	asked  atomic.Int64
	hold   chan struct{} // answers wait until it is closed
	dearer int64         // cents more than that
}

func (s *shelf) BatchGet(_ context.Context, req *catalogv1.BatchGetRequest, _ ...grpc.CallOption) (*catalogv1.BatchGetResponse, error) {
	if s.asked.Add(1); s.hold != nil {
		<-s.hold
	}
	if s.away {
		return nil, errors.New("catalog is away")
	}
	res := &catalogv1.BatchGetResponse{}
	for _, id := range req.GetIds() {
		var n int64
		if _, err := fmt.Sscanf(id, "p-%1d", &n); err == nil {
			res.Products = append(res.Products, &catalogv1.Product{Id: id, Name: fmt.Sprint("Thing ", n), PriceCents: n*100 + s.dearer})
		}
	}
	return res, nil
}

// each runs a test on both engines. replica returns the service on one more pool.
func each(t *testing.T, test func(t *testing.T, catalog *shelf, replica func() *carts)) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		catalog := &shelf{}
		test(t, catalog, func() *carts {
			db := open()
			if err := idempotency.Migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			return newCarts(db, catalog, slog.New(slog.DiscardHandler))
		})
	})
}

// client speaks to a replica's REST API.
type client struct {
	t   *testing.T
	api http.Handler
}

func browser(t *testing.T, s *carts) client {
	t.Helper()
	api, err := routes(s)
	if err != nil {
		t.Fatal(err)
	}
	return client{t, api}
}

// send makes a request, wants a status and returns the answer's JSON in compact form.
func (c client) send(method, path, key, body string, want int) string {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	c.api.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != want {
		c.t.Errorf("%s %s %s: %d %s, want %d", method, path, body, res.StatusCode, text, want)
	}
	return strings.TrimSpace(string(text))
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestACartIsFilledChangedAndRead(t *testing.T) {
	each(t, func(t *testing.T, _ *shelf, replica func() *carts) {
		c := browser(t, replica())
		cart := decode[Cart](t, c.send("POST", "/v1/carts", "", "", 201))
		path := "/v1/carts/" + cart.ID
		if got := c.send("GET", path, "", "", 200); got != `{"id":"`+cart.ID+`","lines":[],"total":0}` {
			t.Errorf("an empty cart is %s", got)
		}
		tea := decode[Line](t, c.send("POST", path+"/lines", "", `{"product":"p-2","quantity":3}`, 201))
		cup := decode[Line](t, c.send("POST", path+"/lines", "", `{"product":"p-5","quantity":1}`, 201))
		c.send("PATCH", path+"/lines/"+tea.ID, "", `{"quantity":4}`, 200)
		for range 2 {
			c.send("DELETE", path+"/lines/"+cup.ID, "", "", 204)
		}
		c.send("PATCH", path+"/lines/"+cup.ID, "", `{"quantity":4}`, 404)
		want := fmt.Sprintf(`{"id":%q,"lines":[{"id":%q,"product":"p-2","name":"Thing 2","quantity":4,"price":200}],"total":800}`, cart.ID, tea.ID)
		if got := browser(t, replica()).send("GET", path, "", "", 200); got != want {
			t.Errorf("the cart is %s, want %s", got, want)
		}
	})
}

// Shoppers who add lines at the same time ask catalog together.
func TestPricesAreAskedForTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog := &shelf{hold: make(chan struct{})}
		s := newCarts(nil, catalog, slog.New(slog.DiscardHandler))
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				p, found, err := s.products.Get(t.Context(), fmt.Sprintf("p-%d", i%5+1))
				if want := int64(i%5+1) * 100; err != nil || !found || p.GetPriceCents() != want {
					t.Errorf("%v, %v, %v; want %d cents", p, found, err, want)
				}
			})
		}
		synctest.Wait()
		close(catalog.hold)
		all.Wait()
		if n := catalog.asked.Load(); n != 2 { // the first at once, the others with the next
			t.Errorf("catalog was asked %d times", n)
		}
	})
}

func TestBadRequests(t *testing.T) {
	s := newCarts(engines.SQLite(t, migrations), &shelf{}, slog.New(slog.DiscardHandler))
	if err := idempotency.Migrate(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	c := browser(t, s)
	path := "/v1/carts/" + decode[Cart](t, c.send("POST", "/v1/carts", "", "", 201)).ID
	for _, body := range []string{`{}`, `{"product":"p-1"}`, `{"product":"p-1","quantity":0}`, `{"product":"p-1","quantity":1001}`, `{"product":"","quantity":1}`, `{"product":"p-1","quantity":1,"x":1}`, `nonsense`} {
		c.send("POST", path+"/lines", "", body, 400)
	}
	c.send("POST", path+"/lines", "", `{"product":"q-1","quantity":1}`, 422)
	c.send("POST", path+"/lines", "a b", `{"product":"p-1","quantity":1}`, 400)
	c.send("POST", "/v1/carts/none/lines", "", `{"product":"p-1","quantity":1}`, 404)
	c.send("GET", "/v1/carts/none", "", "", 404)
	c.send("DELETE", path+"/lines/none", "", "", 404)
	for range maxLines {
		c.send("POST", path+"/lines", "", `{"product":"p-1","quantity":1}`, 201)
	}
	c.send("POST", path+"/lines", "", `{"product":"p-1","quantity":1}`, 422)
}

func TestTheSameKeyIsOneLine(t *testing.T) {
	each(t, func(t *testing.T, catalog *shelf, replica func() *carts) {
		replicas := []client{browser(t, replica()), browser(t, replica())}
		first := replicas[0].send("POST", "/v1/carts", "cart", "", 201)
		if again := replicas[1].send("POST", "/v1/carts", "cart", "", 201); again != first {
			t.Errorf("the same key made the carts %s and %s", first, again)
		}
		path := "/v1/carts/" + decode[Cart](t, first).ID
		lines := make([]string, 12)
		var adding sync.WaitGroup
		for i := range lines {
			adding.Go(func() {
				lines[i] = replicas[i%2].send("POST", path+"/lines", "line", `{"product":"p-2","quantity":3}`, 201)
			})
		}
		adding.Wait()
		catalog.away = true // the answer does not depend on it any more
		lines = append(slices.Clip(lines), replicas[0].send("POST", path+"/lines", "line", `{"product":"p-2","quantity":3}`, 201))
		for _, l := range lines {
			if l != lines[0] {
				t.Errorf("the same key made the lines %s and %s", lines[0], l)
			}
		}
		replicas[0].send("POST", path+"/lines", "line", `{"product":"p-2","quantity":4}`, 422)
		if got := decode[Cart](t, replicas[1].send("GET", path, "", "", 200)); len(got.Lines) != 1 || *got.Total != 600 {
			t.Errorf("the cart is %+v", got)
		}
	})
}

func TestWithoutCatalogACartGoesOn(t *testing.T) {
	each(t, func(t *testing.T, catalog *shelf, replica func() *carts) {
		s := replica()
		c := browser(t, s)
		path := "/v1/carts/" + decode[Cart](t, c.send("POST", "/v1/carts", "", "", 201)).ID
		c.send("POST", path+"/lines", "", `{"product":"p-1","quantity":1}`, 201)
		catalog.away = true
		late := decode[Line](t, c.send("POST", path+"/lines", "", `{"product":"p-3","quantity":2}`, 201))
		c.send("POST", path+"/lines", "", `{"product":"there is none","quantity":1}`, 201)
		if got := decode[Cart](t, c.send("GET", path, "", "", 200)); late.Price != nil || len(got.Lines) != 3 || got.Total != nil || got.Lines[1].Price != nil {
			t.Errorf("without catalog the cart is %+v", got)
		}
		res, err := (&server{carts: s}).Get(t.Context(), &cartv1.GetRequest{Id: strings.TrimPrefix(path, "/v1/carts/")})
		if err != nil || res.GetLines()[0].GetPriceCents() != 100 || res.GetLines()[1].PriceCents != nil {
			t.Errorf("over gRPC it is %v, %v", res, err)
		}
		catalog.away = false
		if got := decode[Cart](t, c.send("GET", path, "", "", 200)); len(got.Lines) != 2 || *got.Total != 700 || got.Lines[1].Name != "Thing 3" {
			t.Errorf("when catalog is back the cart is %+v", got)
		}
	})
}

// Whoever orders a cart gets the prices of now; the shopper is shown those of when the line
// was put in. While catalog is away those count.
func TestACartIsOrderedAtTodaysPrices(t *testing.T) {
	each(t, func(t *testing.T, catalog *shelf, replica func() *carts) {
		s := replica()
		c := browser(t, s)
		id := decode[Cart](t, c.send("POST", "/v1/carts", "", "", 201)).ID
		c.send("POST", "/v1/carts/"+id+"/lines", "", `{"product":"p-1","quantity":1}`, 201)
		catalog.dearer = 5
		for _, away := range []bool{false, true} {
			catalog.away = away
			want := int64(105)
			if away {
				want = 100
			}
			res, err := (&server{carts: s}).Get(t.Context(), &cartv1.GetRequest{Id: id})
			if err != nil || res.GetLines()[0].GetPriceCents() != want {
				t.Errorf("catalog away %v: ordered as %v, %v; want %d cents", away, res, err, want)
			}
		}
		if got := decode[Cart](t, c.send("GET", "/v1/carts/"+id, "", "", 200)); *got.Total != 100 {
			t.Errorf("the shopper is shown %d cents", *got.Total)
		}
	})
}

func TestClearTakesWhatWasOrdered(t *testing.T) {
	each(t, func(t *testing.T, _ *shelf, replica func() *carts) {
		s := replica()
		g, c := &server{carts: s}, browser(t, s)
		cart := decode[Cart](t, c.send("POST", "/v1/carts", "", "", 201))
		path := "/v1/carts/" + cart.ID
		old := decode[Line](t, c.send("POST", path+"/lines", "", `{"product":"p-1","quantity":1}`, 201))
		ordered := &cartv1.ClearRequest{Id: cart.ID, LineIds: []string{old.ID, "gone already"}}
		if _, err := g.Clear(t.Context(), ordered); err != nil {
			t.Error(err)
		}
		c.send("POST", path+"/lines", "", `{"product":"p-4","quantity":1}`, 201)
		if _, err := g.Clear(t.Context(), ordered); err != nil {
			t.Error(err)
		}
		if got := decode[Cart](t, c.send("GET", path, "", "", 200)); len(got.Lines) != 1 || got.Lines[0].Product != "p-4" {
			t.Errorf("a late repetition took what was added since: %+v", got)
		}
		if _, err := g.Clear(t.Context(), &cartv1.ClearRequest{Id: "none", LineIds: []string{"x"}}); err != nil {
			t.Errorf("a cart that is gone: %v", err)
		}
		_, err := g.Get(t.Context(), &cartv1.GetRequest{Id: "none"})
		if problem.CodeOf(err) != problem.NotFound {
			t.Errorf("an unknown cart: %v", err)
		}
	})
}

func TestUnusedCartsAreSwept(t *testing.T) {
	each(t, func(t *testing.T, _ *shelf, replica func() *carts) {
		s := replica()
		c := browser(t, s)
		used, unused := decode[Cart](t, c.send("POST", "/v1/carts", "", "", 201)), decode[Cart](t, c.send("POST", "/v1/carts", "", "", 201))
		for _, cart := range []Cart{used, unused} {
			c.send("POST", "/v1/carts/"+cart.ID+"/lines", "", `{"product":"p-1","quantity":1}`, 201)
		}
		if _, err := s.db.ExecContext(t.Context(), `UPDATE carts SET changed_at = changed_at - $1`, (2 * time.Hour).Milliseconds()); err != nil {
			t.Fatal(err)
		}
		c.send("POST", "/v1/carts/"+used.ID+"/lines", "", `{"product":"p-1","quantity":1}`, 201)
		if err := s.sweep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		c.send("GET", "/v1/carts/"+used.ID, "", "", 200)
		c.send("GET", "/v1/carts/"+unused.ID, "", "", 404)
	})
}
