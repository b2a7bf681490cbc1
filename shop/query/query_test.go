package query_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/query"
)

type fruit struct {
	name  string
	cents int64
}

func fields(f *fruit) []any { return []any{&f.name, &f.cents} }

func TestQueries(t *testing.T) {
	files := fstest.MapFS{"00001_fruit.sql": {Data: []byte(`-- +goose Up
CREATE TABLE fruit (name TEXT PRIMARY KEY, cents BIGINT);
INSERT INTO fruit VALUES ('apple', 30), ('pear', 40), ('plum', 10);
`)}}
	engines.Each(t, files, func(t *testing.T, open func() *sql.DB) {
		ctx, db := t.Context(), open()
		in, args := query.In([]string{"plum", "apple", "fig"})
		all, err := query.All(ctx, db, fields, `SELECT name, cents FROM fruit WHERE name `+in+` ORDER BY name`, args...)
		if err != nil || len(all) != 2 || all[0] != (fruit{"apple", 30}) || all[1] != (fruit{"plum", 10}) {
			t.Errorf("%v, %v", all, err)
		}
		one, found, err := query.One(ctx, db, query.Value[int64], `SELECT cents FROM fruit WHERE name = $1`, "pear")
		if one != 40 || !found || err != nil {
			t.Errorf("%v, %v, %v", one, found, err)
		}
		if _, found, err = query.One(ctx, db, query.Value[int64], `SELECT cents FROM fruit WHERE name = 'fig'`); found || err != nil {
			t.Errorf("a fig: %v, %v", found, err)
		}
		for name, want := range map[string]bool{"pear": true, "fig": false} {
			if changed, err := query.Change(ctx, db, `UPDATE fruit SET cents = 1 WHERE name = $1`, name); changed != want || err != nil {
				t.Errorf("%s changed %v, %v", name, changed, err)
			}
		}
		if _, err := query.All(ctx, db, query.Value[int64], `SELECT name FROM fruit`); err == nil {
			t.Error("a text was read as a number")
		}
		if _, err := query.Change(ctx, db, `UPDATE nothing SET x = 1`); err == nil {
			t.Error("an unknown table was changed")
		}
	})
}

func ExampleIn() {
	in, args := query.In([]string{"plum", "apple"})
	fmt.Println(in, args)
	// Output: IN ($1, $2) [plum apple]
}

// The fields of a row are named once, where its type is.
func ExampleAll() {
	cheap := func(ctx context.Context, db *sql.DB) ([]fruit, error) {
		return query.All(ctx, db, fields, `SELECT name, cents FROM fruit WHERE cents < $1`, 35)
	}
	fmt.Printf("%T", cheap)
	// Output: func(context.Context, *sql.DB) ([]query_test.fruit, error)
}
