package brokers_test

import (
	"database/sql"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/kafka/kafkatest"
	"github.com/musterdev/muster/drivers/rabbitmq/rabbittest"
	"github.com/musterdev/muster/drivers/redis/redistest"
	"github.com/musterdev/muster/mustertest"
	"github.com/musterdev/muster/shop/card"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

const (
	shopping = 3 * time.Second
	quiet    = 30 * time.Second // how long every promise may still be on its way
)

// The same services, told another URL and nothing else, keep every promise on each broker,
// though the ones that take most events are killed while shoppers are there.
func TestTheShopRunsOnEachBroker(t *testing.T) {
	for _, on := range []struct {
		name  string
		start func(t *testing.T) (url string)
	}{
		{"RabbitMQ", func(t *testing.T) string { return rabbittest.Start(t).URL() }},
		{"Redis", func(t *testing.T) string { return "redis://" + redistest.StartDurable(t).Address() }},
		{"Kafka", func(t *testing.T) string { return kafkatest.Start(t).URL() }},
	} {
		t.Run(on.name, func(t *testing.T) { prove(t, on.start(t)) })
	}
}

func prove(t *testing.T, broker string) {
	began := time.Now()
	dir := t.TempDir()
	f := mustertest.Config{
		Services: []muster.Service{card.Service}, Database: func(service string) string { return "sqlite:" + filepath.Join(dir, service+".db") },
		Env: map[string]string{"CARD_DECLINE": "20", "CARD_TIMEOUT": "5"},
	}.Start(t)
	running := map[string]*process{}
	for _, s := range services() {
		running[s.Name] = start(t, s.Name, map[string]string{
			"MUSTER_SERVICE": s.Name, "MUSTER_INSTANCE": s.Name + "-1", "MUSTER_REGISTRY_URL": f.URL("control"), "MUSTER_BUS_URL": broker,
			"DATABASE_URL": "sqlite:" + filepath.Join(dir, s.Name+".db"), "MUSTER_LOG_LEVEL": "warn",
		})
	}
	for _, s := range services() {
		ready(t, f, s.Name)
	}
	for path, service := range map[string]string{"/v1/products": "catalog", "/v1/carts": "cart", "/v1/orders": "orders", "/v1/search": "search"} {
		f.Route(path, service)
	}
	up := time.Since(began)

	var killing sync.WaitGroup
	for i, victim := range []string{"payments", "shipping", "search"} { // of orders there is but one, whom shoppers ask
		killing.Go(func() {
			select {
			case <-time.After(time.Duration(i+1) * shopping / 4):
				running[victim].end()
				running[victim].begin()
			case <-t.Context().Done():
			}
		})
	}
	r := shopper.Run(t.Context(), shopper.Config{URL: f.Edge(), Shoppers: 4, For: shopping, Rate: 150, Seed: 7})
	killing.Wait()
	if r.Failed > 0 || r.Orders == 0 {
		t.Errorf("%s: failed %d: %v", r, r.Failed, r.Failures)
	}
	found, took := settled(t, stores(t, f), r.Ledger)
	for _, v := range found.Violations {
		t.Error(v)
	}
	if found.Confirmed == 0 || found.Lost+found.Duplicated > 0 {
		t.Errorf("%+v", found)
	}
	t.Logf("up in %s; %s; confirmed=%d compensated=%d lost=%d duplicated=%d, %d invariants hold %s after the last shopper",
		up.Round(time.Millisecond), r, found.Confirmed, found.Compensated, found.Lost, found.Duplicated, len(verify.Invariants()), took.Round(time.Millisecond))
}

// stores opens what the services keep. Nobody mails: events are posted from NATS alone.
func stores(t *testing.T, f *mustertest.Fleet) (s verify.Stores) {
	t.Helper()
	for name, db := range map[string]**sql.DB{
		"catalog": &s.Catalog, "cart": &s.Cart, "inventory": &s.Inventory, "orders": &s.Orders, "payments": &s.Payments,
		"shipping": &s.Shipping, "search": &s.Search, "card": &s.Card,
	} {
		*db = f.DB(name)
	}
	return s
}

// settled proves the invariants, again until they hold.
func settled(t *testing.T, s verify.Stores, promised shopper.Ledger) (verify.Report, time.Duration) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		found := verify.Check(t.Context(), s, promised)
		if took := time.Since(began); len(found.Violations) == 0 || took > quiet {
			return found, took
		}
		<-tick.C
	}
}
