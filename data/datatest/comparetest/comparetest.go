// Package comparetest is the part of the suite that package compare must pass.
package comparetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/compare"
	"github.com/musterdev/muster/data/datatest/dbtest"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"every kind of value":     values,
		"converges after faults":  converges,
		"what cannot be compared": wrong,
	})
}

const page = ` WHERE sku > $1 AND ($2 = '' OR sku <= $2) ORDER BY sku LIMIT $3`

// values: the same values give the same sums, whatever the engine and the table.
func values(t *testing.T, open func() *sql.DB) {
	db := open()
	for _, name := range []string{"one", "two"} {
		dbtest.Execute(t, db, `CREATE TABLE `+name+` (sku VARCHAR(20) PRIMARY KEY, n BIGINT, f DOUBLE PRECISION, s VARCHAR(20), b BOOLEAN)`)
		dbtest.Execute(t, db, `INSERT INTO `+name+` VALUES ('a', 5, 0.5, 'x', true), ('b', NULL, NULL, NULL, NULL), ('ä', 9007199254740993, 3, '', false)`)
	}
	sums := func(name string) string {
		rows, err := compare.Table{DB: db, Query: `SELECT sku, n, f, s, b FROM ` + name + page}.Rows(t.Context(), compare.Range{Limit: 10})
		dbtest.Succeed(t, err)
		return fmt.Sprint(rows)
	}
	dbtest.Want(t, "sums", sums("one"), sums("two"))
	// of the values that every engine has: a service on SQLite compares with one on PostgreSQL
	first, err := compare.Sum(int64(5), 0.5, "x", true)
	dbtest.Succeed(t, err)
	if want := fmt.Sprintf("{a %d}", first); !strings.Contains(sums("one"), want) {
		t.Errorf("%s has no %s", sums("one"), want)
	}
	for _, change := range []string{`n = 6 WHERE sku = 'a'`, `f = 0.25 WHERE sku = 'a'`, `s = '' WHERE sku = 'b'`, `b = true WHERE sku = 'b'`, `n = 9007199254740992 WHERE sku = 'ä'`} {
		before := sums("two")
		dbtest.Execute(t, db, `UPDATE two SET `+change)
		if sums("two") == before {
			t.Error("not seen: " + change)
		}
	}
}

// converges: a copy whose feed loses and repeats changes is, once it has been compared as a whole while changes
// go on, what the source is.
func converges(t *testing.T, open func() *sql.DB) {
	db, random := open(), rand.New(rand.NewPCG(1, 2)) // so that it can be repeated
	for _, name := range []string{"source", "copied"} {
		dbtest.Execute(t, db, `CREATE TABLE `+name+` (sku VARCHAR(20) PRIMARY KEY, cents BIGINT NOT NULL)`)
	}
	put := func(table, sku string, cents int64) {
		dbtest.Execute(t, db, `DELETE FROM `+table+` WHERE sku = $1`, sku)
		if cents > 0 {
			dbtest.Execute(t, db, `INSERT INTO `+table+` (sku, cents) VALUES ($1, $2)`, sku, cents)
		}
	}
	type change struct {
		sku   string
		cents int64
	}
	var feed []change // not at the copy yet
	happen := func(times int) {
		for range times {
			c := change{fmt.Sprintf("p%03d", random.IntN(200)), random.Int64N(5)}
			put("source", c.sku, c.cents)
			if random.IntN(10) > 0 { // else it is lost
				feed = append(feed, c)
			}
		}
	}
	arrive := func() {
		for _, c := range feed {
			for range 1 + random.IntN(2) {
				put("copied", c.sku, c.cents)
			}
		}
		feed = nil
	}
	happen(400)
	const columns = `SELECT sku, cents FROM `
	var lost int
	c := &compare.Comparison{
		Name: "products", Rows: 40, Ranges: -1,
		Source: compare.Table{DB: db, Query: columns + `source` + page},
		Copy:   compare.Table{DB: db, Query: columns + `copied` + page},
		Settled: func(context.Context) error {
			arrive()
			happen(20)
			return nil
		},
		Repair: func(ctx context.Context, rows []compare.Difference) error {
			for _, d := range rows {
				var cents int64
				if err := db.QueryRowContext(ctx, `SELECT cents FROM source WHERE sku = $1`, d.Key).Scan(&cents); err != nil && !errors.Is(err, sql.ErrNoRows) {
					return err
				}
				put("copied", d.Key, cents)
			}
			return nil
		},
	}
	r, err := c.Check(t.Context())
	dbtest.Succeed(t, err)
	if lost = r.Diverged(); lost < 5 || r.Repaired != lost || r.InFlight == 0 || !r.Whole {
		t.Errorf("%+v", r)
	}
	c.Settled = func(context.Context) error { // it is quiet now
		arrive()
		return nil
	}
	for range 2 { // what was lost during the first check is found by one of these, and then there is nothing more
		r, err = c.Check(t.Context())
		dbtest.Succeed(t, err)
	}
	dbtest.Want(t, "diverged at last", r.Diverged()+r.InFlight, 0)
	for _, differ := range []string{ // both ways
		`SELECT count(*) FROM source s LEFT JOIN copied c ON c.sku = s.sku AND c.cents = s.cents WHERE c.sku IS NULL`,
		`SELECT count(*) FROM copied c LEFT JOIN source s ON c.sku = s.sku AND c.cents = s.cents WHERE s.sku IS NULL`,
	} {
		dbtest.Want(t, "rows that differ", dbtest.Value[int](t, db, differ), 0)
	}
}

func wrong(t *testing.T, open func() *sql.DB) {
	db := open()
	dbtest.Execute(t, db, `CREATE TABLE one (sku VARCHAR(20) PRIMARY KEY)`)
	dbtest.Execute(t, db, `INSERT INTO one VALUES ('a'), ('b')`)
	for want, side := range map[string]compare.Table{
		"the database is nil":  {},
		"nowhere":              {DB: db, Query: `SELECT sku FROM nowhere` + page},
		"are not in the order": {DB: db, Query: `SELECT sku FROM one WHERE sku > $1 AND ($2 = '' OR sku <= $2) ORDER BY sku DESC LIMIT $3`},
	} {
		_, err := (&compare.Comparison{Source: side, Copy: side}).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
