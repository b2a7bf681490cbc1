// Package pages is a service that makes the same page in two ways, for the drill that compares
// them with search, which is the third: products with their price, what is in stock, and how
// often they were ordered, of which three services each know a part. It asks them when
// the page is asked for (composition), and it keeps copies of what they publish.
package pages

import (
	"context"
	"database/sql"
	"embed"
	"net/http"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/rest"
	"github.com/musterdev/muster/shop/events"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Service is pages: REST, below Route.
var Service = muster.Service{Name: "pages", Migrations: migrations, Run: run} //nolint:gochecknoglobals // a constant

// Where the pages are.
const (
	Route    = "/v1/pages"
	Composed = Route + "/composed"
	Copied   = Route + "/copied"
)

// Page is the first products by their ids.
type Page struct {
	Items []Product `json:"items"`
}

// Product is a line of a page.
type Product struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Category string `json:"category"`
	Price    int64  `json:"price"`
	Free     int64  `json:"free"`
	Ordered  int64  `json:"ordered"`
}

type question struct {
	Limit int32 `query:"limit" default:"20" min:"1" max:"100"`
}

// pages makes pages. It is safe for concurrent use, by any number of replicas.
type pages struct {
	db        *sql.DB
	catalog   catalogv1.CatalogClient
	inventory inventoryv1.InventoryClient
	orders    *http.Client
}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	p := &pages{db, catalogv1.NewCatalogClient(app.Dial("catalog")), inventoryv1.NewInventoryClient(app.Dial("inventory")), app.Client("orders")}
	app.On(events.ProductsListed.Name, inbox.Once(db, events.ProductsListed, listed))
	app.On(events.StockAvailable.Name, inbox.Once(db, events.StockAvailable, available))
	app.On(events.OrderConfirmed.Name, inbox.Once(db, events.OrderConfirmed, ordered))
	api := rest.New(rest.Info{Title: "Pages", Version: "1.0.0", Log: app.Log()})
	rest.Get(api, Composed, p.composed, rest.ID("composed"), rest.Doc("Asked of three services", ""))
	rest.Get(api, Copied, p.copied, rest.ID("copied"), rest.Doc("From copies", ""))
	app.Handle("/", api)
	return app.Serve(ctx)
}

// copied makes a page of what others have published.
func (p *pages) copied(ctx context.Context, q question) (Page, error) {
	all, err := query.All(ctx, p.db, func(v *Product) []any {
		return []any{&v.ID, &v.Name, &v.Category, &v.Price, &v.Free, &v.Ordered}
	}, `SELECT id, name, category, price, free, ordered FROM copies WHERE name <> '' ORDER BY id LIMIT $1`, q.Limit)
	return Page{append([]Product{}, all...)}, err
}
