package shop_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/card"
	"github.com/musterdev/muster/shop/cart"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/inventory"
	"github.com/musterdev/muster/shop/orders"
	"github.com/musterdev/muster/shop/payments"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	"github.com/musterdev/muster/shop/search"
	"github.com/musterdev/muster/shop/shipping"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

func services() []muster.Service {
	return []muster.Service{catalog.Service, cart.Service, inventory.Service, orders.Service, payments.Service, shipping.Service, search.Service, card.Service}
}

// inMemory is the driver of a broker in this process.
type inMemory struct{ broker *memory.Broker }

func (inMemory) Name() string         { return "memory" }
func (inMemory) BusSchemes() []string { return []string{"memory"} }

func (d inMemory) OpenBus(context.Context, string, string, *slog.Logger) (bus.Broker, error) {
	return d.broker.Connect(), nil
}

// shop is the services that are written in Go in this process, behind one URL.
type shop struct {
	url    string
	grpc   map[string]string // addresses by service
	stores verify.Stores
	log    *journal
}

// journal takes the log of all services.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// start runs the services on databases of one engine until the test ends.
func start(t *testing.T, open func(context.Context, string) (*sql.DB, error), newDatabase func(service string) string) *shop {
	t.Helper()
	env := map[string]string{"MUSTER_LOG_LEVEL": "error", "MUSTER_BUS_URL": "memory:", "CARD_DECLINE": "30"}
	databases := map[string]string{}
	for _, s := range services() {
		databases[s.Name] = newDatabase(s.Name)
		env[strings.ToUpper(s.Name)+"_DATABASE_URL"] = databases[s.Name]
	}
	sh := &shop{grpc: map[string]string{}, log: &journal{}}
	proxies := map[string]http.Handler{}
	var mu sync.Mutex
	ready := make(chan struct{}, len(services()))
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- muster.Run(ctx, services(), muster.With(sqlite.Driver, postgres.Driver, inMemory{memory.New()}), muster.LogTo(sh.log),
			muster.Environment(func(name string) (string, bool) { v, ok := env[name]; return v, ok }),
			muster.OnReady(func(service string, s muster.Settings) {
				mu.Lock()
				defer mu.Unlock()
				sh.grpc[service] = fmt.Sprintf("127.0.0.1:%d", s.GRPCPort)
				proxies[service] = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", s.Port)})
				ready <- struct{}{}
			}))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the services ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the services' log:\n%s", &sh.log.text)
		}
	})
	for range services() {
		select {
		case <-ready:
		case err := <-ended:
			ended <- err
			t.Fatalf("the services ended before they were ready: %v", err)
		}
	}
	mux := http.NewServeMux()
	for path, service := range map[string]string{
		"/v1/products": "catalog", "/v1/products/": "catalog", "/v1/carts": "cart", "/v1/carts/": "cart",
		"/v1/orders": "orders", "/v1/orders/": "orders", "/v1/search": "search",
	} {
		mux.Handle(path, proxies[service])
	}
	for service, p := range proxies {
		mux.Handle("/"+service+"/", http.StripPrefix("/"+service, p))
	}
	edge := httptest.NewServer(mux)
	t.Cleanup(edge.Close)
	sh.url = edge.URL
	for service, db := range map[string]**sql.DB{
		"catalog": &sh.stores.Catalog, "cart": &sh.stores.Cart, "inventory": &sh.stores.Inventory, "orders": &sh.stores.Orders,
		"payments": &sh.stores.Payments, "shipping": &sh.stores.Shipping, "search": &sh.stores.Search, "card": &sh.stores.Card,
	} {
		pool, err := open(t.Context(), databases[service])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pool.Close() }) // the test is over: nothing depends on it
		*db = pool
	}
	return sh
}

func onSQLite(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	return start(t, sqlite.Driver.Open, func(service string) string { return "sqlite:" + filepath.Join(dir, service+".db") })
}

func TestShoppersFindTheShopGood(t *testing.T) {
	for engine, shopOn := range map[string]func(*testing.T) *shop{
		"sqlite": onSQLite,
		"postgres": func(t *testing.T) *shop {
			return start(t, postgres.Driver.Open, func(string) string { return pgtest.Database(t) })
		},
	} {
		t.Run(engine, func(t *testing.T) {
			s := shopOn(t)
			s.quiet(t) // the shelves have been announced: that takes a thousand events
			r := shopper.Run(t.Context(), shopper.Config{URL: s.url, Shoppers: 4, Careless: true, For: 4 * time.Second, Rate: 300, Seed: 1})
			t.Logf("%s; careless %+v", r, r.Careless)
			if r.Failed > 0 || r.Careless.Failed > 0 || r.Orders == 0 || r.Careless.Orders == 0 {
				t.Errorf("failed %d: %v; careless: %v", r.Failed, r.Failures, r.Careless.Failures)
			}
			s.quiet(t)
			report := s.settled(t, r.Ledger)
			t.Logf("confirmed=%d compensated=%d lost=%d duplicated=%d; %+v", report.Confirmed, report.Compensated, report.Lost, report.Duplicated, report.Charges)
			for _, v := range report.Violations {
				t.Error(v)
			}
			if report.Confirmed == 0 || report.Lost+report.Duplicated > 0 {
				t.Errorf("%+v", report)
			}
			s.searched(t, r.Ledger)
		})
	}
}

// searched hands on what a confirmed order says of its position: what is found then counts it.
func (s *shop) searched(t *testing.T, promised shopper.Ledger) {
	t.Helper()
	for _, o := range promised.Orders {
		order, position := s.ask(t, "/v1/orders/"+o.ID, "")
		if confirmed := strings.Contains(order, `"state":"confirmed"`); confirmed != (position != "") {
			t.Errorf("the position is %q of %s", position, order)
		} else if !confirmed {
			continue
		}
		if found, _ := s.ask(t, "/v1/search?ordered.gte=1&limit=1", position); !strings.Contains(found, `"ordered":`) {
			t.Errorf("found %s", found)
		}
		return
	}
	t.Error("no order was confirmed")
}

// ask returns an answer and its position.
func (s *shop) ask(t *testing.T, path, position string) (string, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if position != "" {
		r.Header.Set("Muster-Position", position)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %v %s", path, res.StatusCode, err, text)
	}
	return string(text), res.Header.Get("Muster-Position")
}

// settled proves the invariants, again until they hold: search may have something to hear yet.
func (s *shop) settled(t *testing.T, promised shopper.Ledger) verify.Report {
	t.Helper()
	const late = 30 * time.Second
	tick, until := time.NewTicker(50*time.Millisecond), time.Now().Add(late)
	defer tick.Stop()
	for ; ; <-tick.C {
		if found := verify.Check(t.Context(), s.stores, promised); len(found.Violations) == 0 || time.Now().After(until) {
			return found
		}
	}
}

// quiet waits until nothing is under way any more.
func (s *shop) quiet(t *testing.T) {
	t.Helper()
	const late = 30 * time.Second
	tick, until := time.NewTicker(20*time.Millisecond), time.Now().Add(late)
	defer tick.Stop()
	for ; ; <-tick.C {
		left := 0
		for db, tables := range map[*sql.DB][]string{
			s.stores.Orders:   {`muster_saga WHERE state NOT IN ('completed', 'compensated') OR owner <> ''`, `muster_outbox`},
			s.stores.Payments: {`muster_saga WHERE state NOT IN ('completed', 'compensated') OR owner <> ''`, `muster_outbox`},
			s.stores.Shipping: {`muster_outbox`}, s.stores.Inventory: {`muster_outbox`}, s.stores.Catalog: {`muster_outbox`},
		} {
			for _, table := range tables {
				var n int
				if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n); err != nil {
					t.Fatal(err)
				}
				left += n
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("after %v %d sagas or messages are still under way", late, left)
		}
	}
}

func TestEveryServiceDocumentsItself(t *testing.T) {
	s := onSQLite(t)
	for service, path := range map[string]string{"catalog": "/v1/products/{id}", "cart": "/v1/carts/{id}/lines", "orders": "/v1/orders/{id}/cancel", "payments": "/webhooks/card", "search": "/v1/search", "card": "/v1/charges"} {
		if text := get(t, s.url+"/"+service+"/openapi.json", 200); !strings.Contains(text, `"3.1.`) || !strings.Contains(text, path) {
			t.Errorf("%s: the document does not name %s:\n%s", service, path, text)
		}
		if text := get(t, s.url+"/"+service+"/docs", 200); !strings.Contains(text, "<html") {
			t.Errorf("%s: /docs is no page:\n%s", service, text)
		}
	}
	if text := get(t, s.url+"/v1/products?prise=1", 400); !strings.Contains(text, `"code":"invalid_argument"`) || !strings.Contains(text, "price") {
		t.Errorf("a wrong parameter is answered %s", text)
	}
	text := get(t, s.url+"/v1/products?category=tea&price.gte=2000&price.lte=4000&name.prefix=Amber&sort=-price", 200)
	if !strings.Contains(text, "Amber Teapot") || strings.Contains(text, "Amber Kettle") {
		t.Errorf("the search found %s", text)
	}
}

func get(t *testing.T, url string, want int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		t.Errorf("%s: %d %v, want %d", url, res.StatusCode, err, want)
	}
	return string(text)
}

func TestErrorsKeepTheirCodeOverGRPC(t *testing.T) {
	s := onSQLite(t)
	conn, err := grpc.NewClient("passthrough:///"+s.grpc["catalog"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = catalogv1.NewCatalogClient(conn).Get(t.Context(), &catalogv1.GetRequest{Id: "p-0"})
	var p *problem.Error
	if err = problem.FromGRPC(err); !errors.As(err, &p) || p.Code != problem.NotFound || p.Message != `there is no product "p-0"` {
		t.Errorf("%v", err)
	}
}

func TestABadConfigurationIsOneClearError(t *testing.T) {
	for variable, value := range map[string]string{"CATALOG_CACHE": "-1s", "CART_UNUSED": "soon"} {
		env := map[string]string{variable: value}
		service := map[string]muster.Service{"CATALOG_CACHE": catalog.Service, "CART_UNUSED": cart.Service}[variable]
		err := muster.Run(t.Context(), []muster.Service{service}, muster.LogTo(io.Discard),
			muster.Environment(func(name string) (string, bool) { v, ok := env[name]; return v, ok }))
		if !errors.Is(err, muster.ErrConfig) || !strings.Contains(err.Error(), value) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s=%s: %v", variable, value, err)
		}
	}
}

// A service is to be read in one sitting: at most 400 lines of code, in Go and SQL,
// without blank lines and comments, tests and what is generated.
func TestServicesStaySmall(t *testing.T) {
	for _, s := range services() {
		total := 0
		for _, pattern := range []string{s.Name + "/*.go", s.Name + "/migrations/*.sql", "cmd/" + s.Name + "/*.go"} {
			files, err := filepath.Glob(pattern)
			if err != nil || len(files) == 0 && (s.Migrations != nil || !strings.HasSuffix(pattern, ".sql")) {
				t.Fatalf("%s: %d files, %v", pattern, len(files), err)
			}
			for _, f := range files {
				if strings.HasSuffix(f, "_test.go") {
					continue
				}
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(string(text)) {
					if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "--") {
						total++
					}
				}
			}
		}
		t.Logf("%s: %d lines", s.Name, total)
		if total > 400 {
			t.Errorf("%s has %d lines of code, at most 400 are to be read in one sitting", s.Name, total)
		}
	}
}
