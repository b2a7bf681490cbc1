package shopper

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// visit is one shopper's way through the shop, from browsing to the order's page. It
// is over at the first answer that is not the expected one.
type visit struct {
	*shopper
	ctx  context.Context //nolint:containedctx // a visit is one call that tells a story; ends: requests are cut off
	open context.Context //nolint:containedctx // as above; ends: no more requests are begun
	over bool
}

// What the shop answers, as far as a shopper looks at it.
type (
	product struct {
		ID       string `json:"id"`
		Category string `json:"category"`
		Price    int64  `json:"price"`
	}
	products struct {
		Items []product `json:"items"`
		Next  string    `json:"next"`
	}
	line struct {
		ID       string `json:"id"`
		Product  string `json:"product"`
		Quantity int    `json:"quantity"`
	}
	cart struct {
		ID    string `json:"id"`
		Lines []line `json:"lines"`
	}
)

func (v *visit) run() {
	v.follow()
	shelf := append(v.browse(), v.search()...)
	if v.over {
		return
	}
	v.look(shelf[v.random.IntN(len(shelf))])
	basket := v.take()
	for range 1 + v.random.IntN(3) {
		if l, ok := v.put(basket, shelf[v.random.IntN(len(shelf))]); ok {
			basket.Lines = append(basket.Lines, l)
		}
	}
	v.inspect(basket)
	v.checkout(basket)
	v.follow()
}

// browse reads the first page of the catalogue, in some order.
func (v *visit) browse() []product {
	sort := []string{"name", "-name", "price", "-price"}[v.random.IntN(4)]
	var page products
	v.get("/v1/products?limit=20&sort="+sort, read(&page, func() error {
		return that(len(page.Items) == 20 && page.Next != "", "the first page has %d products and next %q", len(page.Items), page.Next)
	}))
	return page.Items
}

// search filters by category and price and follows the cursor to the next page.
func (v *visit) search() []product {
	category := []string{"tea", "coffee", "kitchen", "desk", "garden", "light", "travel", "mugs"}[v.random.IntN(8)]
	const least = 1000
	query := url.Values{"category": {category}, "price.gte": {strconv.Itoa(least)}, "sort": {"price"}, "limit": {"10"}}
	var all []product
	seen := map[string]bool{}
	for range 2 {
		var page products
		v.get("/v1/products?"+query.Encode(), read(&page, func() error {
			for _, p := range page.Items {
				if p.Category != category || p.Price < least || seen[p.ID] || len(all) > 0 && p.Price < all[len(all)-1].Price {
					return fmt.Errorf("product %s (%s, %d) does not belong on this page of %s from %d", p.ID, p.Category, p.Price, category, least)
				}
				seen[p.ID] = true
				all = append(all, p)
			}
			return that(len(page.Items) > 0, "nothing was found")
		}))
		if v.over || page.Next == "" {
			break
		}
		query.Set("cursor", page.Next)
	}
	return all
}

// look reads a product's page, and once more with its entity tag.
func (v *visit) look(p product) {
	var tag string
	var seen product
	path := "/v1/products/" + p.ID
	v.get(path, func(a answer) error {
		tag = a.header.Get("ETag")
		return read(&seen, func() error {
			return that(seen == p && tag != "", "product %+v was %+v in the list; its entity tag is %q", seen, p, tag)
		})(a)
	})
	v.ask(request{method: http.MethodGet, path: path, etag: tag, want: []int{http.StatusOK, http.StatusNotModified}, check: func(a answer) error {
		return that(a.status == http.StatusNotModified || a.header.Get("ETag") != tag, "the tag %s was sent and the same answer came in full", tag)
	}})
}

// take opens a cart.
func (v *visit) take() cart {
	var c cart
	v.post("/v1/carts", v.key(), nil, read(&c, func() error { return that(c.ID != "", "the cart has no id") }))
	return c
}

// put adds a product to a cart, and now and then sends the same once more.
func (v *visit) put(c cart, p product) (line, bool) {
	var l line
	key, path := v.key(), "/v1/carts/"+c.ID+"/lines"
	body := map[string]any{"product": p.ID, "quantity": 1 + v.random.IntN(3)}
	ok := v.post(path, key, body, read(&l, func() error {
		return that(l.ID != "" && l.Product == p.ID && l.Quantity == body["quantity"], "%v was added and line %+v came back", body, l)
	}))
	if !ok {
		return l, false
	}
	v.ledger.Lines = append(v.ledger.Lines, Line{Key: key, Cart: c.ID, ID: l.ID, Product: l.Product, Quantity: l.Quantity})
	if v.again(key) {
		var same line
		v.post(path, key, body, read(&same, func() error { return that(same == l, "the key %s made line %+v, then %+v", key, l, same) }))
	}
	return l, true
}

// inspect reads a cart, which must hold what was put in and nothing else.
func (v *visit) inspect(c cart) {
	var now cart
	v.get("/v1/carts/"+c.ID, read(&now, func() error {
		return that(fmt.Sprint(now.Lines) == fmt.Sprint(c.Lines), "the cart holds %+v; put in were %+v", now.Lines, c.Lines)
	}))
}

func (v *visit) get(path string, check func(answer) error) {
	v.ask(request{method: http.MethodGet, path: path, want: []int{http.StatusOK}, check: check})
}

func (v *visit) post(path, key string, body any, check func(answer) error) bool {
	return v.ask(request{method: http.MethodPost, path: path, key: key, body: body, want: []int{http.StatusCreated}, check: check})
}

// key makes a new Idempotency-Key, or none for a careless shopper.
func (v *visit) key() string {
	if !v.keys {
		return ""
	}
	v.count++
	return fmt.Sprintf("%s-%d", v.name, v.count)
}

// again decides whether to repeat a request that was answered already.
func (v *visit) again(key string) bool { return key != "" && v.random.IntN(oneIn) == 0 }
