// Package pagetest checks on a real database that what package page makes of a
// query means there what it should: the suite that every SQL driver passes.
package pagetest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/page"
)

// row is a row of the suite's table. Few different values make many ties.
type row struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Price   int32     `json:"price"`
	Rating  float64   `json:"rating"`
	Stocked bool      `json:"stocked"`
	Added   time.Time `json:"added"`
}

const rowCount = 157

func spec() page.Spec {
	return page.Spec{
		Fields: []page.Field{
			{Name: "id", Kind: page.Int, Filter: page.Range, Sort: true},
			{Name: "name", Kind: page.String, Filter: page.Text | page.Range, Sort: true},
			{Name: "price", Column: "cents", Kind: page.Int32, Filter: page.Range, Sort: true},
			{Name: "rating", Kind: page.Float, Filter: page.Range, Sort: true},
			{Name: "stocked", Kind: page.Bool, Filter: page.Equality, Sort: true},
			{Name: "added", Kind: page.Time, Filter: page.Range, Sort: true},
		},
		Key: "id", MaxLimit: 50,
	}
}

// Run runs the suite on db, in a table muster_pagetest that it makes and drops.
func Run(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx := t.Context()
	if _, err := db.ExecContext(ctx, `CREATE TABLE muster_pagetest (id BIGINT PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL,
		rating DOUBLE PRECISION NOT NULL, stocked BOOLEAN NOT NULL, added TIMESTAMP NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(ctx), `DROP TABLE muster_pagetest`); err != nil {
			t.Error(err)
		}
	})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	rows := generate(r)
	for _, x := range rows {
		if _, err := db.ExecContext(ctx, `INSERT INTO muster_pagetest (id, name, cents, rating, stocked, added) VALUES ($1, $2, $3, $4, $5, $6)`,
			x.ID, x.Name, x.Price, x.Rating, x.Stocked, x.Added); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("every order pages through all rows once", func(t *testing.T) { orders(t, db, r) })
	t.Run("filters find what they say", func(t *testing.T) { filters(t, db, rows) })
	t.Run("rows that come and go disturb no other", func(t *testing.T) { moving(t, db) })
}

func names() []string {
	return []string{"", "a", "ab", "ABC", "a%", "a_", `a\`, "a'b", "äö", "ä", "😀", "😀b", " a", "b,c"}
}

func generate(r *rand.Rand) []row {
	rows := make([]row, rowCount)
	for i := range rows {
		rows[i] = row{
			ID: int64(i) * 3, Name: names()[r.IntN(len(names()))], Price: int32(r.IntN(7)) - 3,
			Rating: float64(r.IntN(5)) / 3, Stocked: r.IntN(2) == 0,
			Added: time.Date(2026, 1, 1+r.IntN(3), 0, 0, r.IntN(2), r.IntN(3)*500_000_000, time.UTC),
		}
	}
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// fetch returns one page, and with all set everything the query matches in its order.
func fetch(t *testing.T, db *sql.DB, values url.Values, all bool) (page.Page[row], []row) {
	t.Helper()
	q, err := page.Parse(values, spec())
	if err != nil {
		t.Fatalf("%v: %v", values, err)
	}
	cond, args := q.Where(-1)
	stmt := `SELECT id, name, cents, rating, stocked, added FROM muster_pagetest WHERE id > $1 AND ` + cond + q.OrderBy()
	if !all {
		stmt += q.Limit()
	}
	res, err := db.QueryContext(t.Context(), stmt, args...)
	if err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
	defer func() { _ = res.Close() }()
	var rows []row
	for res.Next() {
		var x row
		if err := res.Scan(&x.ID, &x.Name, &x.Price, &x.Rating, &x.Stocked, &x.Added); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, x)
	}
	if err := res.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := page.Of(q, rows)
	if err != nil {
		t.Fatal(err)
	}
	return p, rows
}

// walk follows the cursors to the end.
func walk(t *testing.T, db *sql.DB, values url.Values) []row {
	t.Helper()
	var got []row
	for range rowCount + 1 {
		p, _ := fetch(t, db, values, false)
		got = append(got, p.Items...)
		if p.Next == "" {
			return got
		}
		values.Set("cursor", p.Next)
	}
	t.Fatalf("%v: the pages never end", values)
	return nil
}

func orders(t *testing.T, db *sql.DB, r *rand.Rand) {
	t.Helper()
	fields := []string{"id", "name", "price", "rating", "stocked", "added"}
	for range 60 {
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		terms := slices.Clone(fields[:1+r.IntN(len(fields))])
		for i := range terms {
			terms[i] = []string{"", "-"}[r.IntN(2)] + terms[i]
		}
		values := url.Values{"sort": {strings.Join(terms, ",")}, "limit": {strconv.Itoa(1 + r.IntN(50))}}
		if r.IntN(2) == 0 {
			values.Set("price.gte", "-1")
		}
		_, want := fetch(t, db, values, true) // the database's own order: collations are its business
		if got := walk(t, db, values); !reflect.DeepEqual(ids(got), ids(want)) {
			t.Errorf("%v:\n got %v\nwant %v", values, ids(got), ids(want))
		}
	}
}

func ids(rows []row) []int64 {
	out := make([]int64, len(rows))
	for i, r := range rows {
		out[i] = r.ID
	}
	return out
}

func filters(t *testing.T, db *sql.DB, rows []row) {
	t.Helper()
	noon := time.Date(2026, 1, 2, 0, 0, 0, 500_000_000, time.UTC)
	for query, match := range map[string]func(row) bool{
		"price=2":                                func(x row) bool { return x.Price == 2 },
		"price.ne=2":                             func(x row) bool { return x.Price != 2 },
		"price.lt=0":                             func(x row) bool { return x.Price < 0 },
		"price.lte=0":                            func(x row) bool { return x.Price <= 0 },
		"price.gt=0&price.lt=3":                  func(x row) bool { return x.Price > 0 && x.Price < 3 },
		"price.gte=0":                            func(x row) bool { return x.Price >= 0 },
		"price.in=-3,3":                          func(x row) bool { return x.Price == -3 || x.Price == 3 },
		"rating.gt=0.5":                          func(x row) bool { return x.Rating > 0.5 },
		"stocked=true":                           func(x row) bool { return x.Stocked },
		"stocked.ne=true":                        func(x row) bool { return !x.Stocked },
		"id.in=0,3,6,7":                          func(x row) bool { return slices.Contains([]int64{0, 3, 6, 7}, x.ID) },
		"name=":                                  func(x row) bool { return x.Name == "" },
		"name=a%27b":                             func(x row) bool { return x.Name == "a'b" },
		`name.in=b\,c,a\\`:                       func(x row) bool { return x.Name == "b,c" || x.Name == `a\` },
		"name.prefix=a":                          func(x row) bool { return strings.HasPrefix(x.Name, "a") },
		"name.prefix=A":                          func(x row) bool { return strings.HasPrefix(x.Name, "A") },
		"name.prefix=a%25":                       func(x row) bool { return strings.HasPrefix(x.Name, "a%") },
		"name.prefix=a_":                         func(x row) bool { return strings.HasPrefix(x.Name, "a_") },
		"name.prefix=ä":                          func(x row) bool { return strings.HasPrefix(x.Name, "ä") },
		"name.prefix=😀":                          func(x row) bool { return strings.HasPrefix(x.Name, "😀") },
		"name.prefix=":                           func(row) bool { return true },
		"added=2026-01-02T00:00:00.5Z":           func(x row) bool { return x.Added.Equal(noon) },
		"added.gt=2026-01-02T01:00:00.5%2B01:00": func(x row) bool { return x.Added.After(noon) },
		"added.lte=2026-01-02T00:00:00.5Z":       func(x row) bool { return !x.Added.After(noon) },
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		var want []int64
		for _, x := range rows {
			if match(x) {
				want = append(want, x.ID)
			}
		}
		slices.Sort(want)
		values.Set("limit", "7")
		if got := ids(walk(t, db, values)); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", query, got, want)
		}
	}
}

// moving deletes what was shown and inserts before it while paging.
func moving(t *testing.T, db *sql.DB) {
	t.Helper()
	values := url.Values{"sort": {"-id"}, "limit": {"10"}}
	_, want := fetch(t, db, values, true)
	var got []row
	for fresh := int64(10_000); ; fresh++ {
		p, _ := fetch(t, db, values, false)
		got = append(got, p.Items...)
		if p.Next == "" {
			break
		}
		values.Set("cursor", p.Next)
		for _, stmt := range []string{
			fmt.Sprintf(`DELETE FROM muster_pagetest WHERE id = %d`, p.Items[len(p.Items)-1].ID),
			fmt.Sprintf(`INSERT INTO muster_pagetest SELECT %d, name, cents, rating, stocked, added FROM muster_pagetest WHERE id = %d`, fresh, p.Items[0].ID),
		} {
			if _, err := db.ExecContext(t.Context(), stmt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(ids(got), ids(want)) {
		t.Errorf("\n got %v\nwant %v", ids(got), ids(want))
	}
}
