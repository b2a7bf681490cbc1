package reference

import (
	"context"
	"database/sql"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

// Kinds returns the kinds of processes that the fleet has: services and engines.
func (s *Fleet) Kinds() []string {
	if s.local == nil {
		return nil
	}
	st := s.local.Status()
	var kinds []string
	for _, svc := range st.Services {
		kinds = append(kinds, svc.Name)
	}
	for _, e := range st.Engines {
		kinds = append(kinds, e.Service)
	}
	return kinds
}

// Victims implements drill.Killer: replicas of services of which all are ready, and
// the only ones of a kind when they are.
func (s *Fleet) Victims() map[string][]string {
	victims := map[string][]string{}
	st := s.local.Status()
	for _, svc := range st.Services {
		if svc.Ready < svc.Want {
			continue
		}
		for _, i := range svc.Instances {
			if i.Phase == instance.Ready {
				victims[svc.Name] = append(victims[svc.Name], i.ID)
			}
		}
	}
	for _, e := range st.Engines {
		if e.Phase == instance.Ready {
			victims[e.Service] = append(victims[e.Service], e.ID)
		}
	}
	return victims
}

// Kill implements drill.Killer.
func (s *Fleet) Kill(id string) error { return s.local.Kill(id) }

// Verify proves the shop's invariants, asking again until they hold or the quiet
// time is over.
func (s *Fleet) Verify(ctx context.Context, promised shopper.Ledger, within time.Duration) (verify.Report, error) {
	stores, closeAll, err := s.stores(ctx)
	defer closeAll()
	if err != nil {
		return verify.Report{}, err
	}
	end := time.Now().Add(within)
	for {
		found := verify.Check(ctx, stores, promised)
		if len(found.Violations) == 0 || time.Now().After(end) {
			return found, ctx.Err()
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
}

// storesOf names the services whose databases are looked into, and where they go.
func storesOf(s *verify.Stores) map[string]**sql.DB {
	return map[string]**sql.DB{
		"catalog": &s.Catalog, "cart": &s.Cart, "inventory": &s.Inventory, "orders": &s.Orders,
		"payments": &s.Payments, "shipping": &s.Shipping, "search": &s.Search, "card": &s.Card,
	}
}

// brokerStore is the engine that has a store besides.
const brokerStore = "broker"

// Stored returns the names of the services whose databases Verify looks into.
func Stored() []string { return slices.Sorted(maps.Keys(storesOf(&verify.Stores{}))) }

func (s *Fleet) stores(ctx context.Context) (stores verify.Stores, closeAll func(), err error) {
	var opened []*sql.DB
	closeAll = func() {
		for _, db := range opened {
			_ = db.Close() // it was only read
		}
	}
	all := storesOf(&stores)
	all[brokerStore] = &stores.Broker
	for name, db := range all {
		if *db, err = s.Database(ctx, name); err != nil {
			return stores, closeAll, err
		}
		opened = append(opened, *db)
	}
	stores.Mails = s.mails()
	return stores, closeAll, nil
}

// Database opens a store where the fleet has put it.
func (s *Fleet) Database(ctx context.Context, service string) (*sql.DB, error) {
	if url := s.databases[service]; url != "" {
		return postgres.Driver.Open(ctx, url)
	}
	file := filepath.Join("data", service+".db") // where package fleet puts a service's
	if service == brokerStore {
		file = filepath.Join(brokerStore, "parked.db") // and package local the broker's
	}
	return sqlite.Driver.Open(ctx, "sqlite:"+filepath.ToSlash(filepath.Join(s.Dir, supervise.Folder, file)))
}

// mails returns where notify puts what it sends, "" when it is left out.
func (s *Fleet) mails() string {
	if !slices.Contains(s.Kinds(), "notify") {
		return ""
	}
	return filepath.Join(s.Dir, supervise.Folder, "mails")
}
