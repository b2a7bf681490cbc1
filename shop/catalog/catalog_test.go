package catalog

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/internal/engines"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
)

func TestTheCatalogueNeverChangesUnnoticed(t *testing.T) {
	products := Generate()
	names := map[string]bool{}
	for i, p := range products {
		if p.ID != fmt.Sprintf("p-%d", 1001+i) || p.Price < 100 || p.Price%5 != 0 || names[p.Name] {
			t.Errorf("product %d is %+v", i, p)
		}
		names[p.Name] = true
	}
	// Fleets that run keep what was generated once: a change here needs a migration there.
	const want = "ffa057fceaf8295b"
	if got := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, products)))[:16]; got != want || len(products) != 1000 {
		t.Errorf("%d products with the sum %s, want 1000 with %s", len(products), got, want)
	}
}

func TestReplicasSeedOnce(t *testing.T) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		var seeding sync.WaitGroup
		dbs := []*sql.DB{open(), open(), open()}
		for _, db := range dbs {
			seeding.Go(func() {
				if err := Seed(t.Context(), db); err != nil {
					t.Error(err)
				}
			})
		}
		seeding.Wait()
		got, err := store{dbs[0]}.batch(t.Context(), []string{"p-2000", "p-0", "p-1001"})
		if all := Generate(); err != nil || len(got) != 2 || got["p-1001"] != all[0] || got["p-2000"] != all[999] {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := dbs[0].ExecContext(t.Context(), `DELETE FROM products WHERE id = 'p-1001'`); err != nil {
			t.Fatal(err)
		}
		if err := Seed(t.Context(), dbs[1]); err != nil {
			t.Error(err)
		}
		got, err = store{dbs[2]}.batch(t.Context(), []string{"p-1001"})
		if err != nil || len(got) != 0 {
			t.Errorf("a product that was removed came back with a restart: %v, %v", got, err)
		}
	})
}

func TestListFiltersSortsAndPages(t *testing.T) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		db := open()
		if err := Seed(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		var want int
		for _, p := range Generate() {
			if p.Category == "tea" && p.Price >= 2000 {
				want++
			}
		}
		values := url.Values{"category": {"tea"}, "price.gte": {"2000"}, "sort": {"-price"}, "limit": {"13"}}
		var all []Product
		for pages := 1; ; pages++ {
			q, err := page.Parse(values, list)
			if err != nil {
				t.Fatal(err)
			}
			found, err := store{db}.list(t.Context(), q)
			if err != nil || pages > want {
				t.Fatal(err, pages)
			}
			all = append(all, found.Items...)
			if found.Next == "" {
				break
			}
			values.Set("cursor", found.Next)
		}
		if len(all) != want {
			t.Errorf("found %d, want %d", len(all), want)
		}
		for i, p := range all {
			if p.Category != "tea" || p.Price < 2000 || i > 0 && p.Price > all[i-1].Price {
				t.Errorf("product %d is %+v", i, p)
			}
		}
	})
}

func TestGRPC(t *testing.T) {
	db := engines.SQLite(t, migrations)
	if err := Seed(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	known, err := newProducts(store{db}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{products: known}
	p, err := s.Get(t.Context(), &catalogv1.GetRequest{Id: "p-1001"})
	if want := Generate()[0]; err != nil || p.GetName() != want.Name || p.GetPriceCents() != want.Price {
		t.Errorf("%v, %v", p, err)
	}
	if res, err := s.BatchGet(t.Context(), &catalogv1.BatchGetRequest{Ids: []string{"p-2000", "p-0", "p-1001"}}); err != nil || len(res.GetProducts()) != 2 || res.GetProducts()[1].GetId() != "p-2000" {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := db.ExecContext(t.Context(), `DELETE FROM products WHERE id = 'p-2000'`); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Get(t.Context(), &catalogv1.GetRequest{Id: "p-2000"}); err != nil || again.GetName() != Generate()[999].Name {
		t.Errorf("what was looked up is not remembered: %v, %v", again, err)
	}
	fresh, err := newProducts(store{db}, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&server{products: fresh}).Get(t.Context(), &catalogv1.GetRequest{Id: "p-2000"})
	wantCode(t, "with no memory, what was removed", err, problem.NotFound)
	_, err = s.Get(t.Context(), &catalogv1.GetRequest{Id: "p-0"})
	wantCode(t, "an unknown product", err, problem.NotFound)
	_, err = s.BatchGet(t.Context(), &catalogv1.BatchGetRequest{})
	wantCode(t, "a batch of none", err, problem.InvalidArgument)
	_, err = s.BatchGet(t.Context(), &catalogv1.BatchGetRequest{Ids: make([]string, maxBatch+1)})
	wantCode(t, "a batch of too many", err, problem.InvalidArgument)
	_, err = s.List(t.Context(), &catalogv1.ListRequest{PageToken: "x"})
	wantCode(t, "a bad token", err, problem.InvalidArgument)

	var ids int
	for req := (&catalogv1.ListRequest{PageSize: 50, Category: "tea"}); ; {
		res, err := s.List(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		ids += len(res.GetProducts())
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if ids != 125 {
		t.Errorf("the pages of tea have %d products, want 125", ids)
	}
}

func wantCode(t *testing.T, what string, err error, want problem.Code) {
	t.Helper()
	if got := problem.CodeOf(err); got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func ExampleGenerate() {
	p := Generate()[0]
	fmt.Println(p.ID, p.Name, p.Category)
	// Output: p-1001 Amber Teapot tea
}
