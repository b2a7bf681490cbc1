package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/shop"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

// shopFleet is the shop as it runs for a demo or a drill.
type shopFleet struct {
	url     string
	control string
	dir     string
	fleet   *running   // nil in one process
	show    *progress  // of the fleet; nil in one process
	ended   chan error // gets its end in one process
	cancel  context.CancelFunc
}

type shopOptions struct {
	dir      string
	replicas int
	single   bool
	anyPort  bool // nobody need find the edge: do not stand in another demo's way
	inner    bool // the edge passes on what only services should call, so that a drill can
	out      io.Writer
	quiet    bool
}

// openShop starts the shop's fleet from this binary alone: each instance is this
// program again.
func openShop(ctx context.Context, o shopOptions) (*shopFleet, error) {
	f, err := shopFile(o)
	if err != nil {
		return nil, err
	}
	p := &progress{out: o.out, calm: o.quiet}
	p.quiet.Store(o.quiet)
	l := &local{fleet: f, dir: o.dir, single: o.single, events: p.show}
	up, err := l.start(ctx)
	if err != nil {
		return nil, err
	}
	return &shopFleet{url: up.EdgeURL, control: up.ControlURL, dir: o.dir, fleet: up, show: p}, nil
}

// shopFile reads the shop's muster.yaml out of the binary. What it would build from
// source is this binary here.
func shopFile(o shopOptions) (*fleet.Fleet, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the muster binary itself: %w", err)
	}
	file := filepath.Join(o.dir, "muster.yaml")
	if err := os.WriteFile(file, shop.Fleet, 0o644); err != nil {
		return nil, fmt.Errorf("write the demo's muster.yaml: %w", err)
	}
	lookup := os.LookupEnv
	if o.anyPort {
		lookup = anyPort
	}
	f, err := fleet.Load(file, fleet.Options{Env: lookup})
	if err != nil {
		return nil, err
	}
	for i := range f.Services {
		s := &f.Services[i]
		s.GoPackage, s.GoFlags, s.Run = "", nil, []string{exe, "shop", s.Name}
		s.Replicas = o.replicas
		if o.inner && s.Name == "inventory" {
			s.Routes = append(s.Routes, fleet.Route{Path: "/" + inventoryv1.Inventory_ServiceDesc.ServiceName + "/", GRPC: true, Service: s.Name})
		}
	}
	return f, nil
}

// anyPort is the environment, but engines whose port it does not say take a free one.
func anyPort(name string) (string, bool) {
	v, ok := os.LookupEnv(name)
	if !ok && (name == "MUSTER_EDGE_PORT" || name == "MUSTER_CONTROL_PORT") {
		return "0", true
	}
	return v, ok
}

// close ends the shop.
func (s *shopFleet) close() error {
	if s.fleet != nil {
		s.show.quiet.Store(true)
		return s.fleet.stop()
	}
	s.cancel()
	return <-s.ended
}

// wait returns when ctx ends, or with an error when the shop ends by itself.
func (s *shopFleet) wait(ctx context.Context) error {
	ended := s.ended
	if s.fleet != nil {
		ended = s.fleet.ended
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		ended <- err // for close
		if err == nil && ctx.Err() == nil {
			err = errEnded
		}
		return err
	}
}

// Whole implements drill.Killer.
func (s *shopFleet) Whole() map[string][]string {
	whole := map[string][]string{}
	for _, svc := range s.fleet.Status().Services {
		if svc.Want < 2 || svc.Ready < svc.Want {
			continue
		}
		for _, i := range svc.Instances {
			if i.Phase == instance.Ready {
				whole[svc.Name] = append(whole[svc.Name], i.ID)
			}
		}
	}
	return whole
}

// Kill implements drill.Killer.
func (s *shopFleet) Kill(id string) error { return s.fleet.Kill(id) }

// verify proves the shop's invariants, asking again until they hold or the quiet
// time is over.
func (s *shopFleet) verify(ctx context.Context, promised shopper.Ledger, within time.Duration) ([]verify.Violation, error) {
	stores, closeAll, err := s.stores(ctx)
	defer closeAll()
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(within)
	for {
		found := verify.Check(ctx, stores, promised)
		if len(found) == 0 || time.Now().After(end) {
			return found, ctx.Err()
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *shopFleet) stores(ctx context.Context) (stores verify.Stores, closeAll func(), err error) {
	var opened []*sql.DB
	closeAll = func() {
		for _, db := range opened {
			_ = db.Close() // it was only read
		}
	}
	for name, db := range map[string]**sql.DB{
		"catalog": &stores.Catalog, "cart": &stores.Cart, "inventory": &stores.Inventory, "orders": &stores.Orders,
	} {
		if *db, err = sqlite.Driver.Open(ctx, databaseURL(s.dir, name)); err != nil {
			return stores, closeAll, err
		}
		opened = append(opened, *db)
	}
	return stores, closeAll, nil
}

// databaseURL is where package fleet puts a service's SQLite file.
func databaseURL(dir, service string) string {
	return "sqlite:" + filepath.ToSlash(filepath.Join(dir, supervise.Folder, "data", service+".db"))
}

// cheapestMug is what the search in welcome finds first.
const cheapestMug = "p-1572"

// welcome says where to look and what to try.
func (s *shopFleet) welcome() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
The shop is open:
  through the edge   %[1]s/v1/products
  the registry       %[2]s/v1/services
  data and logs      %[3]s
`, s.url, s.control, filepath.Join(s.dir, supervise.Folder))
	second := "Look at the logs:\n       cat " + shellWord(filepath.Join(s.dir, supervise.Folder, "logs", "process.log"))
	if s.fleet != nil {
		if port := s.port("catalog"); port != 0 {
			fmt.Fprintf(&b, "  catalog's API      http://127.0.0.1:%d/docs\n", port)
		}
		second = "Kill a process and watch it come back:\n       " + self() + " ps -C " + shellWord(s.dir) + "\n       kill -9 PID"
	}
	fmt.Fprintf(&b, `
Three things to try, from another terminal:
  1. Find the cheapest mug, fill a cart, order it:
       curl -s '%[1]s/v1/products?category=mugs&sort=price&limit=1'
       cart=$(curl -s -X POST %[1]s/v1/carts | sed 's/.*"id":"\([^"]*\)".*/\1/')
       curl -s %[1]s/v1/carts/$cart/lines --json '{"product":"%[4]s","quantity":2}'
       curl -s %[1]s/v1/orders --json "{\"cart\":\"$cart\"}"
  2. %[2]s
  3. Let shoppers come while replicas are killed, or replaced:
       %[3]s demo --for 30s --chaos --exit
       %[3]s drill rolling --for 30s

Ctrl-C ends it.
`, s.url, second, self(), cheapestMug)
	return b.String()
}

// port returns the HTTP port of one instance of a service, 0 when it has none now.
func (s *shopFleet) port(service string) int {
	for _, svc := range s.fleet.Status().Services {
		if svc.Name == service && len(svc.Instances) > 0 {
			return svc.Instances[0].Port
		}
	}
	return 0
}
