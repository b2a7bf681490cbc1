package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/supervise/instance"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// drillCmd breaks something on purpose.
type drillCmd struct {
	Rolling     rollingCmd     `cmd:"" help:"Replace every replica again and again under load: no request may fail."`
	ControlDown controlDownCmd `cmd:"" name:"control-down" help:"Keep control dead under load: no request may fail."`
}

// drillFlags are those of every drill.
type drillFlags struct {
	For  time.Duration `default:"60s" help:"How long."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// report prints what a drill found; a target that did not hold ends it with status 1.
func (d drillFlags) report(t terminal, r *drill.Report) error {
	write := r.WriteTable
	if d.JSON {
		write = r.WriteJSON
	}
	if err := write(t.out); err != nil {
		return err
	}
	if r.Held() {
		return nil
	}
	var which []string
	for _, row := range r.Rows {
		if !row.Held {
			which = append(which, fmt.Sprintf("%s (%s, wanted %s)", row.What, row.Measured, row.Target))
		}
	}
	return notHeld(which)
}

// rollingCmd replaces replicas.
type rollingCmd struct{ drillFlags }

func (c *rollingCmd) Run(ctx context.Context, t terminal) error {
	return c.drill(ctx, t, func(shop *shopFleet, flows []drill.Flow) *drill.Report {
		return drill.Rolling(ctx, drill.RollingConfig{
			Fleet: shop, Services: serviceNames(), For: c.For, Least: int(c.For / time.Second), Flows: flows,
		})
	})
}

// controlDownCmd keeps control dead.
type controlDownCmd struct{ drillFlags }

// controlBack is how soon control must be ready when it may start again.
const controlBack = 5 * time.Second

func (c *controlDownCmd) Run(ctx context.Context, t terminal) error {
	return c.drill(ctx, t, func(shop *shopFleet, flows []drill.Flow) *drill.Report {
		return drill.Down(ctx, drill.Outage{
			Part: "control", For: c.For, Back: controlBack, Flows: flows,
			Kill: func(away time.Duration) error { return shop.fleet.KillFor("control", away) },
			Alive: func() bool {
				return slices.ContainsFunc(shop.fleet.Status().Engines, func(e instance.Status) bool {
					return e.Service == "control" && e.Phase == instance.Ready
				})
			},
		})
	})
}

// drill runs a drill on a shop of two replicas each, under traffic.
func (d drillFlags) drill(ctx context.Context, t terminal, run func(*shopFleet, []drill.Flow) *drill.Report) error {
	if d.For < time.Second {
		return usagef("--for must be at least 1s")
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	// a signal ends the traffic first and the fleet then: nobody's request fails by it
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	starting := context.AfterFunc(ctx, end)
	shop, err := openShop(life, shopOptions{dir: dir, replicas: 2, anyPort: true, inner: true, out: t.err, quiet: true})
	if err != nil {
		return err
	}
	if !starting() {
		return errors.Join(errInterrupted, shop.close())
	}
	flows, closeTraffic, err := newTraffic(shop.url)
	if err != nil {
		return errors.Join(err, shop.close())
	}
	r := run(shop, flows)
	closeTraffic()
	if ctx.Err() != nil {
		return errors.Join(errInterrupted, shop.close())
	}
	return errors.Join(d.report(t, r), shop.close())
}

func serviceNames() []string {
	names := make([]string, len(shopServices))
	for i, s := range shopServices {
		names[i] = s.Name
	}
	return names
}

// Replace implements drill.Replacer.
func (s *shopFleet) Replace(ctx context.Context, service string) (int, error) {
	before := s.instances(service)
	err := s.fleet.Replace(ctx, service)
	after := s.instances(service)
	replaced := 0
	for _, id := range before {
		if !slices.Contains(after, id) {
			replaced++
		}
	}
	return replaced, err
}

// instances returns the processes of a service, each named by its id and pid: an
// instance's id may be given again.
func (s *shopFleet) instances(service string) []string {
	var ids []string
	for _, svc := range s.fleet.Status().Services {
		if svc.Name == service {
			for _, i := range svc.Instances {
				ids = append(ids, fmt.Sprintf("%s/%d", i.ID, i.PID))
			}
		}
	}
	return ids
}

// newTraffic is users of three protocols, none of whom repeats a request.
func newTraffic(base string) (flows []drill.Flow, closeAll func(), err error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	h1, h2 := &http.Transport{MaxIdleConnsPerHost: 16}, &http.Transport{Protocols: &http.Protocols{}}
	h2.Protocols.SetUnencryptedHTTP2(true)
	closeAll = func() {
		h1.CloseIdleConnections()
		h2.CloseIdleConnections()
		_ = conn.Close() // nothing runs on it any more
	}
	// a GET, and a POST that nobody may repeat: it has no key
	browse := func(c *http.Client) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			if err := expect(ctx, c, http.MethodGet, base+"/v1/products?limit=5", "", http.StatusOK); err != nil {
				return err
			}
			if err := expect(ctx, c, http.MethodPost, base+"/v1/carts", "{}", http.StatusCreated); err != nil {
				return err
			}
			return expect(ctx, c, http.MethodGet, base+"/v1/orders?limit=1", "", http.StatusOK)
		}
	}
	catalog, stock := catalogv1.NewCatalogClient(conn), inventoryv1.NewInventoryClient(conn)
	const pause = 5 * time.Millisecond
	return []drill.Flow{
		{Name: "HTTP/1.1", Users: 4, Think: pause, Request: browse(&http.Client{Transport: h1, Timeout: answerWithin})},
		{Name: "HTTP/2", Users: 4, Think: pause, Request: browse(&http.Client{Transport: h2, Timeout: answerWithin})},
		{Name: "gRPC", Users: 4, Think: pause, Request: func(ctx context.Context, _ int) error {
			ctx, cancel := context.WithTimeout(ctx, answerWithin)
			defer cancel()
			if _, err := catalog.Get(ctx, &catalogv1.GetRequest{Id: demoProduct}); err != nil {
				return err
			}
			_, err := stock.Get(ctx, &inventoryv1.GetRequest{Product: demoProduct})
			return err
		}},
	}, closeAll, nil
}

const (
	answerWithin = 15 * time.Second
	demoProduct  = "p-1001"
)

func expect(ctx context.Context, c *http.Client, method, target, body string, status int) error {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return err
	}
	req.GetBody = nil // not even net/http may send it twice
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	if res.StatusCode != status {
		return fmt.Errorf("%s %s: %s: %.200s", method, target, res.Status, answer)
	}
	return nil
}
