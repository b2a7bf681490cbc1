//go:build !race

package checkout_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/drivers/rabbitmq"
	"github.com/musterdev/muster/drivers/rabbitmq/rabbittest"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/registry"
	"github.com/musterdev/muster/shop/card"
	"github.com/musterdev/muster/shop/cart"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/inventory"
	"github.com/musterdev/muster/shop/orders"
	"github.com/musterdev/muster/shop/payments"
	"github.com/musterdev/muster/shop/shipping"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

func services() []muster.Service {
	return []muster.Service{catalog.Service, cart.Service, inventory.Service, orders.Service, payments.Service, shipping.Service, card.Service}
}

// engine is what worlds stand on.
type engine struct {
	name     string
	driver   muster.DatabaseDriver
	bus      muster.BusDriver
	worlds   int
	database func(t *testing.T, service string) string // a new one
	broker   func(t *testing.T, world int) broker      // a world's own
}

func onSQLite(*testing.T) engine {
	return engine{
		name: "SQLite+NATS", driver: sqlite.Driver, bus: nats.Driver, worlds: 6,
		database: func(t *testing.T, service string) string {
			t.Helper()
			return "sqlite:" + filepath.Join(t.TempDir(), service+".db")
		},
		broker: func(t *testing.T, _ int) broker { t.Helper(); return startNATS(t) },
	}
}

func onPostgres(t *testing.T) engine {
	t.Helper()
	const worlds = 6
	var hosts []string
	for i := range worlds {
		hosts = append(hosts, fmt.Sprint("world-", i))
	}
	server := rabbittest.StartWith(t, hosts...)
	return engine{
		name: "PostgreSQL+RabbitMQ", driver: postgres.Driver, bus: rabbitmq.Driver, worlds: worlds,
		database: func(t *testing.T, _ string) string { t.Helper(); return pgtest.Database(t) + "&pool_max_conns=4" },
		broker:   func(_ *testing.T, world int) broker { return onRabbitMQ(server.VHost(hosts[world])) },
	}
}

// world is the shop: its services, each a process, with a broker and a registry.
type world struct {
	t         *testing.T
	engine    engine
	processes map[string]*process
	pools     map[string]*sql.DB // the test's own
	stores    verify.Stores
	tables    map[string]map[string]bool // of leases, by service
	broker    broker
	http      *http.Client
	promised  shopper.Ledger
	story     story
}

// leases are the tables that a process that dies leaves leases in.
var leases = []string{"muster_saga", "muster_lease", "muster_parked"}

func newWorld(t *testing.T, e engine, number int) *world {
	t.Helper()
	w := &world{t: t, engine: e, processes: map[string]*process{}, pools: map[string]*sql.DB{}, tables: map[string]map[string]bool{}, story: stories()[0], http: &http.Client{Timeout: patience}}
	names := httptest.NewServer(registry.New(registry.Config{}))
	t.Cleanup(names.Close)
	w.broker = e.broker(t, number)
	ports := freePorts(t, 2*len(services()))
	for i, s := range services() {
		p := &process{service: s, drivers: []muster.Driver{e.driver, e.bus}, log: &journal{}, env: map[string]string{
			"MUSTER_INSTANCE": s.Name + "-1", "MUSTER_LOG_LEVEL": "warn", "MUSTER_REGISTRY_URL": names.URL, "MUSTER_BUS_URL": w.broker.URL(),
			"DATABASE_URL": e.database(t, s.Name), "PORT": ports[2*i], "GRPC_PORT": ports[2*i+1],
			"CARD_DECLINE": "0", "CARD_DELAY": "0", "CARD_TIMEOUT": "0", "CARD_TWICE": "0",
		}}
		w.processes[s.Name] = p
		p.start(t)
		w.pools[s.Name] = w.open(p.env["DATABASE_URL"])
		w.tables[s.Name] = map[string]bool{}
		for _, table := range leases {
			_, err := w.pools[s.Name].ExecContext(t.Context(), "SELECT 1 FROM "+table)
			w.tables[s.Name][table] = err == nil
		}
	}
	t.Cleanup(w.end)
	w.stores = verify.Stores{
		Catalog: w.pools["catalog"], Cart: w.pools["cart"], Inventory: w.pools["inventory"], Orders: w.pools["orders"],
		Payments: w.pools["payments"], Shipping: w.pools["shipping"], Card: w.pools["card"],
	}
	return w
}

// end kills all that lives and waits for the last words of all that died.
func (w *world) end() {
	for _, p := range w.processes {
		p.kill()
	}
	for _, p := range w.processes {
		for _, l := range append(p.dead, p.life) {
			<-l.ended
		}
	}
}

func (w *world) open(url string) *sql.DB {
	w.t.Helper()
	db, err := w.engine.driver.Open(w.t.Context(), url)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() }) // the test is over
	return db
}

// send makes a request of a service; the error is of one that was not answered, or by 5xx.
func (w *world) send(ctx context.Context, service, path, key string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+w.processes[service].env["PORT"]+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	res, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s%s: %s %s", service, path, res.Status, text)
	}
	return json.Unmarshal(text, out)
}

// insist repeats a request, under its key, until it is answered, as a shopper's browser does.
func (w *world) insist(service, path string, in, out any) (key string, err error) {
	key = rand.Text()
	var last error
	err = waitFor(patience, func() bool {
		ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
		defer cancel()
		last = w.send(ctx, service, path, key, in, out)
		return last == nil
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", err, last)
	}
	return key, err
}

// fill makes a cart of two products.
func (w *world) fill() (string, error) {
	var made struct{ ID string }
	if _, err := w.insist("cart", "/v1/carts", struct{}{}, &made); err != nil {
		return "", err
	}
	for i, product := range []string{"p-1001", "p-1002"} {
		var line struct{ ID string }
		if _, err := w.insist("cart", "/v1/carts/"+made.ID+"/lines", map[string]any{"product": product, "quantity": i + 1}, &line); err != nil {
			return "", err
		}
	}
	return made.ID, nil
}

// count counts rows of a service.
func (w *world) count(service, what string) int {
	var n int
	if err := w.pools[service].QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM "+what).Scan(&n); err != nil {
		w.t.Logf("%s: %s: %v", service, what, err)
		return 1 << 20
	}
	return n
}
