package pages

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/musterdev/muster/problem"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// composed asks catalog which products there are, and then inventory and orders, both at the
// same time, what they know of them. Without one of the three there is no page.
func (p *pages) composed(ctx context.Context, q question) (Page, error) {
	list, err := p.catalog.List(ctx, &catalogv1.ListRequest{PageSize: q.Limit})
	if err != nil {
		return Page{}, problem.FromGRPC(err)
	}
	page, at := Page{Items: make([]Product, len(list.GetProducts()))}, map[string]*Product{}
	ids := make([]string, len(page.Items))
	for i, v := range list.GetProducts() {
		page.Items[i] = Product{ID: v.GetId(), Name: v.GetName(), Category: v.GetCategory(), Price: v.GetPriceCents()}
		at[v.GetId()], ids[i] = &page.Items[i], v.GetId()
	}
	var stock *inventoryv1.BatchGetResponse
	var sold map[string]int64
	var noStock, noSales error
	var both sync.WaitGroup
	both.Go(func() { stock, noStock = p.inventory.BatchGet(ctx, &inventoryv1.BatchGetRequest{Products: ids}) })
	both.Go(func() { sold, noSales = p.sold(ctx, ids) })
	both.Wait()
	if err := errors.Join(problem.FromGRPC(noStock), noSales); err != nil {
		return Page{}, err
	}
	for _, s := range stock.GetStock() {
		at[s.GetProduct()].Free = s.GetFree()
	}
	for id, n := range sold {
		at[id].Ordered = n
	}
	return page, nil
}

// sold asks orders how often some products were ordered.
func (p *pages) sold(ctx context.Context, ids []string) (map[string]int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/v1/sold?"+url.Values{"product": ids}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := p.orders.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode != http.StatusOK {
		return nil, problem.FromResponse(res)
	}
	var answer struct {
		Products []Product `json:"products"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil {
		return nil, err
	}
	sold := map[string]int64{}
	for _, v := range answer.Products {
		sold[v.ID] = v.Ordered
	}
	return sold, nil
}
