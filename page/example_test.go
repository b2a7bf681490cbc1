package page_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/musterdev/muster/page"
)

// Product is a row of the list in these examples.
type Product struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Price int32  `json:"price"`
}

var products = page.Spec{
	Fields: []page.Field{
		{Name: "id", Kind: page.Int, Filter: page.Equality},
		{Name: "name", Kind: page.String, Filter: page.Text, Sort: true},
		{Name: "price", Column: "cents", Kind: page.Int32, Filter: page.Range, Sort: true, Doc: "In cents."},
	},
	Key: "id", DefaultSort: "name", MaxLimit: 100,
}

// list is a whole handler's worth: it answers one page of a shop's products.
func list(ctx context.Context, db *sql.DB, shop string, values url.Values) (page.Page[Product], error) {
	q, err := page.Parse(values, products)
	if err != nil {
		return page.Page[Product]{}, err
	}
	cond, args := q.Where(shop)
	rows, err := db.QueryContext(ctx, "SELECT id, name, cents FROM products WHERE shop = $1 AND "+cond+q.OrderBy()+q.Limit(), args...)
	if err != nil {
		return page.Page[Product]{}, err
	}
	defer func() { _ = rows.Close() }()
	var found []Product
	for rows.Next() {
		var p Product
		if err := rows.Scan(&p.ID, &p.Name, &p.Price); err != nil {
			return page.Page[Product]{}, err
		}
		found = append(found, p)
	}
	if err := rows.Err(); err != nil {
		return page.Page[Product]{}, err
	}
	return page.Of(q, found)
}

// A page and the one after it, with database/sql.
func Example() {
	db := sql.OpenDB(shelf{}) // stands for a real database; it prints what it is asked
	defer func() { _ = db.Close() }()

	values := url.Values{"limit": {"2"}, "sort": {"-price"}, "name.prefix": {"tea"}}
	first, err := list(context.Background(), db, "corner", values)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first.Items)
	values.Set("cursor", first.Next)
	if _, err := list(context.Background(), db, "corner", values); err != nil {
		fmt.Println(err)
	}
	// Output:
	// SELECT id, name, cents FROM products WHERE shop = $1 AND substr(name, 1, $2) = $3 ORDER BY cents DESC, id DESC LIMIT 3
	// [corner 3 tea]
	// [{7 teapot 900} {4 tea tray 700}]
	// SELECT id, name, cents FROM products WHERE shop = $1 AND substr(name, 1, $2) = $3 AND (cents, id) < ($4, $5) ORDER BY cents DESC, id DESC LIMIT 3
	// [corner 3 tea 700 4]
}

func ExampleParse() {
	_, err := page.Parse(url.Values{"prize.gte": {"100"}}, products)
	fmt.Println(err)
	// Output:
	// invalid_argument: query parameter "prize.gte" is not known here; did you mean "price.gte"? (prize.gte: is not known here; did you mean "price.gte"?)
}

func ExampleQuery_Where() {
	q, err := page.Parse(url.Values{"price.gte": {"100"}, "price.lt": {"500"}}, products)
	if err != nil {
		fmt.Println(err)
		return
	}
	cond, args := q.Where("corner")
	fmt.Println("shop = $1 AND "+cond+q.OrderBy()+q.Limit(), args)
	// Output: shop = $1 AND cents >= $2 AND cents < $3 ORDER BY name, id LIMIT 21 [corner 100 500]
}

func ExampleOf() {
	q, err := page.Parse(url.Values{"limit": {"2"}}, products)
	if err != nil {
		fmt.Println(err)
		return
	}
	last, err := page.Of(q, []Product{{1, "bowl", 500}, {2, "cup", 300}}) // no row too many: the last page
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(last)
	fmt.Println(string(text), err)
	// Output: {"items":[{"id":1,"name":"bowl","price":500},{"id":2,"name":"cup","price":300}]} <nil>
}

func ExampleSpec_Check() {
	fmt.Println(page.Spec{Fields: products.Fields, Key: "id", DefaultSort: "-prise"}.Check())
	// Output: page: DefaultSort: cannot sort by "prise"; did you mean "price"?
}
