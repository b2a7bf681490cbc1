package gameday

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/down"
	"github.com/musterdev/muster/platform/drill/moves"
	"github.com/musterdev/muster/platform/drill/outage"
	"github.com/musterdev/muster/platform/load"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// Replicas is how many of each service the drills of this file need.
const Replicas = 3

const (
	pools     = 4                // callers beside the shop's own
	inTime    = 2 * time.Second  // the deadline of what may not be repeated
	clientFor = 20 * time.Second // how long a client waits at most
)

// step is one that may be repeated: it is safe, or has a key.
func step(method, path, body string, want int) load.Step {
	s := load.Step{Method: method, Path: path, Body: body, Status: []int{want}}
	if method != http.MethodGet {
		s.Headers = map[string]string{"Idempotency-Key": "${unique}"}
	}
	return s
}

// browse is visits of which each step may be repeated, and who needs catalog for them.
func browse() load.Flow {
	return load.Flow{Name: "browse", Weight: 2, Steps: []load.Step{
		step("GET", "/v1/products?limit=5", "", http.StatusOK),
		step("GET", "/v1/products/"+reference.Product, "", http.StatusOK),
	}}
}

// fill puts something into a new cart; that works without catalog too, with no price.
func fill() load.Flow {
	take := step("POST", "/v1/carts", "{}", http.StatusCreated)
	take.Capture = map[string]load.Capture{"cart": {JSON: "$.id"}}
	return load.Flow{Name: "fill a cart", Steps: []load.Step{
		take,
		step("POST", "/v1/carts/${cart}/lines", `{"product":"`+reference.Product+`","quantity":1}`, http.StatusCreated),
	}}
}

// look is visits that have nothing to do with catalog.
func look() load.Flow {
	return load.Flow{Name: "look", Steps: []load.Step{
		step("GET", "/v1/orders?limit=1", "", http.StatusOK),
		step("POST", "/v1/carts", "{}", http.StatusCreated),
	}}
}

func plan(shop *reference.Fleet, seed uint64, flows ...load.Flow) load.Plan {
	return load.Plan{URL: shop.URL, InFlight: 2000, Timeout: clientFor, Seed: seed, Flows: flows}
}

// callers are programs beside the shop that call its services as these call each other.
func callers(shop *reference.Fleet) (list []*call.Caller, closeAll func(), err error) {
	var ends []func()
	closeAll = func() {
		for _, end := range ends {
			end()
		}
	}
	for i := range pools {
		registry, err := discovery.NewClient(discovery.ClientConfig{URL: shop.Control, Service: fmt.Sprintf("drill-%d", i+1)})
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		c := call.New(call.Config{Resolver: registry})
		list = append(list, c)
		ends = append(ends, registry.Close, c.Close)
	}
	return list, closeAll, nil
}

// direct is a visit by one of the callers, without the edge.
func direct(list []*call.Caller) load.Flow {
	rpc := func(do func(context.Context, *call.Caller) error) func(context.Context, *load.Visitor) (string, error) {
		return func(ctx context.Context, v *load.Visitor) (string, error) {
			err := do(ctx, list[v.Number()%len(list)])
			if code := status.Code(err); code != codes.OK {
				return code.String(), err
			}
			return "OK", nil
		}
	}
	return load.Flow{Name: "direct", Weight: 2, Steps: []load.Step{
		{Name: "catalog over gRPC", Call: rpc(func(ctx context.Context, c *call.Caller) error {
			_, err := catalogv1.NewCatalogClient(c.Dial("catalog")).Get(ctx, &catalogv1.GetRequest{Id: reference.Product})
			return err
		})},
		{Name: "inventory over gRPC", Call: rpc(func(ctx context.Context, c *call.Caller) error {
			_, err := inventoryv1.NewInventoryClient(c.Dial("inventory")).Get(ctx, &inventoryv1.GetRequest{Product: reference.Product})
			return err
		})},
	}}
}

// ServiceDown kills replicas of catalog and inventory, and stops some for so long.
func ServiceDown(ctx context.Context, shop *reference.Fleet, stalled time.Duration, rate load.Rate, seed uint64) (*drill.Report, error) {
	list, closeAll, err := callers(shop)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	hasty := step("POST", "/v1/carts", "{}", http.StatusCreated)
	hasty.Headers = map[string]string{call.DeadlineHeader: fmt.Sprint(inTime.Milliseconds())} // and no key
	return down.Run(ctx, down.Config{
		Fleet: shop.Processes(), Rate: rate, Plan: plan(shop, seed, browse(), fill(), direct(list)), Callers: list, Stalled: stalled,
		Kill: []string{"catalog", "inventory"}, Stall: []string{"catalog", "inventory", "cart"},
		Unsafe: load.Flow{Name: "without a key", Steps: []load.Step{hasty}}, Answered: inTime + time.Second/2,
		Dead: down.Dead{Service: "catalog", Degraded: []load.Flow{fill()}, Others: []load.Flow{look()}, What: "a cart's lines without their prices"},
	})
}

// RegistryDown keeps control dead while services restart, then shrinks one.
func RegistryDown(ctx context.Context, shop *reference.Fleet, length time.Duration, rate load.Rate, seed uint64) (*drill.Report, error) {
	registry, err := discovery.NewClient(discovery.ClientConfig{URL: shop.Control})
	if err != nil {
		return nil, err
	}
	defer registry.Close()
	list, closeAll, err := callers(shop)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	return outage.Run(ctx, outage.Config{
		Fleet: shop.Processes(), Catalog: registry.Catalog, Rate: rate, Plan: plan(shop, seed, browse(), fill(), direct(list)),
		For: length, Restart: []string{"catalog", "inventory", "cart"}, Shrink: "catalog",
	})
}

// Readdress moves every instance of the shop.
func Readdress(ctx context.Context, shop *reference.Fleet, length time.Duration, rate load.Rate, seed uint64) (*drill.Report, error) {
	list, closeAll, err := callers(shop)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	return moves.Readdress(ctx, moves.Addresses{
		Fleet: shop.Processes(), Services: reference.Names(), Rate: rate, For: length, Plan: plan(shop, seed, browse(), fill(), look(), direct(list)),
	})
}
