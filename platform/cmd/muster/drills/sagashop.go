package drills

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/sagas"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/shop/shopper"
)

// onShop runs the drill on the shop, whose invariants are the check.
func (c *Saga) onShop(ctx context.Context, t terminal.Terminal, what sagas.Config) error {
	if c.Check != "" || c.Load != "" || c.Environment != "" || c.State != "" {
		return terminal.Usagef("--check, --load, --environment and --state want -f: the shop brings what visits it, and its own check")
	}
	flow := cmp.Or(c.Flow, bought)
	if flow != bought && flow != refused {
		return terminal.Usagef("--flow on the shop is %s or %s, not %q", bought, refused, c.Flow)
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	return onShop(ctx, t, reference.Options{Dir: dir, Replicas: 1, AnyPort: true, Out: t.Err, Env: told(flow)}, c.JSON,
		func(shop *reference.Fleet) (*drill.Report, error) {
			what.Fleet, what.Plan, what.Services, what.Seed = shop.Processes(), buying(shop.URL, flow), c.Service, c.Seed
			what.Check = func(ctx context.Context) error {
				found, err := shop.Verify(ctx, shopper.Ledger{}, 0)
				if err == nil && len(found.Violations) > 0 {
					err = fmt.Errorf("%s: %s", found.Violations[0].Invariant, found.Violations[0].Fact)
				}
				return err
			}
			return sagas.Run(ctx, what)
		})
}

// How a shopper of the drill fares.
const (
	bought  = "bought"
	refused = "refused" // by the card processor, so that all is undone
)

// told is what the shop's services are told. The card processor is kind to all or refuses
// all: a saga that ends otherwise by chance does not come to where the recorded one did.
func told(flow string) map[string]string {
	return map[string]string{
		crash.Variable: "on",
		"CARD_DECLINE": map[string]string{bought: "0", refused: "100"}[flow],
		"CARD_DELAY":   "0", "CARD_TIMEOUT": "0", "CARD_TWICE": "0",
	}
}

// buying is a shopper who orders something.
func buying(edge, flow string) load.Plan {
	keyed := map[string]string{"Idempotency-Key": "${unique}"}
	post := func(path, body string) load.Step {
		return load.Step{Method: http.MethodPost, Path: path, Body: body, Headers: keyed}
	}
	cart := post("/v1/carts", "{}")
	cart.Capture = map[string]load.Capture{"cart": {JSON: "$.id"}}
	return load.Plan{
		URL: edge, Timeout: 15 * time.Second, Vars: map[string][]string{"product": {reference.Product}},
		Flows: []load.Flow{{Name: flow, Steps: []load.Step{
			cart, post("/v1/carts/${cart}/lines", `{"product": "${product}", "quantity": 1}`), post("/v1/orders", `{"cart": "${cart}"}`),
		}}},
	}
}
