package search

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/internal/engines"
)

// world is search on one engine, and whoever tells it something.
type world struct {
	t      *testing.T
	open   func() *sql.DB
	broker *memory.Broker
	model  *projection.Projection
	api    http.Handler
	told   []projection.Token
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	none := fstest.MapFS{"00001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}}
	engines.Each(t, none, func(t *testing.T, open func() *sql.DB) {
		w := &world{t: t, open: open, broker: memory.New()}
		w.model = w.replica()
		w.api = routes(finder{w.model, late}, slog.New(slog.DiscardHandler))
		test(t, w)
	})
}

// replica runs one more replica until the test ends.
func (w *world) replica() *projection.Projection {
	w.t.Helper()
	db := w.open()
	if err := projection.Migrate(w.t.Context(), db); err != nil {
		w.t.Fatal(err)
	}
	p, err := newModel(projection.Config{DB: db, Broker: w.broker.Connect()})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	w.t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return p
}

// tell publishes an event.
func tell[T any](w *world, topic bus.Topic[T], source, id string, event T) {
	w.t.Helper()
	m, err := topic.Msg(w.t.Context(), "", event)
	if err != nil {
		w.t.Fatal(err)
	}
	m.Source, m.ID = source, id
	if err := w.broker.Connect().Publish(w.t.Context(), []bus.Msg{m})[0].Err; err != nil {
		w.t.Fatal(err)
	}
	w.told = append(w.told, projection.TokenOf(m))
}

// finds asks, until all that was told is heard, and compares the products' ids.
func (w *world) finds(parameters string, want ...string) []Product {
	w.t.Helper()
	soon, cancel := context.WithTimeout(w.t.Context(), late)
	defer cancel()
	for _, token := range w.told {
		if err := w.model.WaitFor(soon, token); err != nil {
			w.t.Fatal(err)
		}
	}
	found, err := ask(w.t, w.api, parameters, w.told[len(w.told)-1].String())
	var ids []string
	for _, p := range found {
		ids = append(ids, p.ID)
	}
	if err != nil || strings.Join(ids, " ") != strings.Join(want, " ") {
		w.t.Errorf("%s: found %q, %v; want %q", parameters, ids, err, want)
	}
	return found
}

// late is when what does not come is given up.
const late = 20 * time.Second

func ask(t *testing.T, api http.Handler, parameters, position string) ([]Product, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/search?"+parameters, nil)
	if position != "" {
		r.Header.Set("Muster-Position", position)
	}
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		return nil, problem.FromResponse(rec.Result()) //nolint:bodyclose // a recorder's
	}
	var found page.Page[Product]
	if err := json.Unmarshal(rec.Body.Bytes(), &found); err != nil {
		t.Fatal(err)
	}
	return found.Items, nil
}

var teapot, bowl, mug = events.Product{ID: "p-1", Name: "Amber Teapot", Category: "tea", Cents: 3900, Description: "Of cast iron."},
	events.Product{ID: "p-2", Name: "Birch Tea Bowl", Category: "tea", Cents: 1800, Description: "Of porcelain, 100% by hand."},
	events.Product{ID: "p-3", Name: "Calm Mug", Category: "mugs", Cents: 1400, Description: "Of stoneware."}

func TestWhatThreeServicesSayIsFound(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.replica() // they share the work
		tell(w, events.StockAvailable, "/inventory", "1", events.Stock{Levels: []events.Level{{Product: "p-1", Free: 10, Version: 1}, {Product: "p-2", Free: 0, Version: 1}, {Product: "p-4", Free: 7, Version: 1}}})
		tell(w, events.ProductsListed, "/catalog", "1", events.Listing{Products: []events.Product{teapot, bowl, mug}})
		tell(w, events.OrderConfirmed, "/orders", "1", events.Confirmation{Order: "o-1", Lines: []events.Sale{{Product: "p-2", Pieces: 1}, {Product: "p-2", Pieces: 4}, {Product: "p-3", Pieces: 1}}})
		w.finds("", "p-3", "p-2", "p-1") // p-4 is not listed
		tell(w, events.OrderConfirmed, "/orders", "2", events.Confirmation{Order: "o-2", Lines: []events.Sale{{Product: "p-2", Pieces: 2}}})
		found := w.finds("", "p-2", "p-3", "p-1")
		if len(found) == 3 && found[0] != (Product{ID: "p-2", Name: "Birch Tea Bowl", Category: "tea", Price: 1800, Description: "Of porcelain, 100% by hand.", Ordered: 2}) {
			t.Errorf("found %+v", found[0])
		}
		tell(w, events.OrderConfirmed, "/orders", "3", events.Confirmation{Order: "o-0"}) // of a version before its lines were told
		for parameters, want := range map[string][]string{
			"sort=-price":                  {"p-1", "p-2", "p-3"},
			"sort=price&limit=1":           {"p-3"},
			"category=tea&sort=id":         {"p-1", "p-2"},
			"free.gte=1":                   {"p-1"},
			"ordered.gte=1&price.gt=1400":  {"p-2"},
			"q=TEA+of&sort=id":             {"p-1", "p-2"},
			"q=" + url.QueryEscape("100%"): {"p-2"},
			"q=" + url.QueryEscape("1_0"):  nil,
			"q=" + url.QueryEscape(`\`):    nil,
			"q=calm+tea":                   nil,
		} {
			w.finds(parameters, want...)
		}
		if _, err := ask(t, w.api, "prise=1", ""); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("a wrong parameter: %v", err)
		}
	})
}

// Of each product the last of what inventory says counts, in whichever order it is heard.
func TestAnOlderStockChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		tell(w, events.ProductsListed, "/catalog", "1", events.Listing{Products: []events.Product{teapot, mug}})
		tell(w, events.StockAvailable, "/inventory", "3", events.Stock{Levels: []events.Level{{Product: "p-1", Free: 3, Version: 3}}})
		w.finds("free=3", "p-1")
		tell(w, events.StockAvailable, "/inventory", "2", events.Stock{Levels: []events.Level{{Product: "p-1", Free: 8, Version: 2}, {Product: "p-3", Free: 8, Version: 2}}})
		w.finds("free=8", "p-3")
		tell(w, events.StockAvailable, "/inventory", "4", events.Stock{Levels: []events.Level{{Product: "p-1", Free: 1, Version: 4}}})
		w.finds("free=1", "p-1")
		renamed := teapot
		renamed.Name, renamed.Cents = "Amber Kettle", 4100
		tell(w, events.ProductsListed, "/catalog", "2", events.Listing{Products: []events.Product{renamed}})
		w.finds("q=kettle&price=4100&free=1", "p-1")
	})
}

// Who asks for what has not happened is told to come again, and who makes positions up what is wrong.
func TestAPositionThatDoesNotCome(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		tell(w, events.ProductsListed, "/catalog", "1", events.Listing{Products: []events.Product{mug}})
		w.finds("", "p-3")
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/search", nil)
		r.Header.Set("Muster-Position", "/orders confirmed-o-9")
		rec := httptest.NewRecorder()
		routes(finder{w.model, time.Millisecond}, slog.New(slog.DiscardHandler)).ServeHTTP(rec, r)
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "1" || !strings.Contains(rec.Body.String(), "has not heard of") {
			t.Errorf("%d, %v: %s", rec.Code, rec.Header(), rec.Body)
		}
		if _, err := ask(t, w.api, "", "nonsense"); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("nonsense: %v", err)
		}
	})
}
