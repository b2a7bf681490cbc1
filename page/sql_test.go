package page

import (
	"reflect"
	"strings"
	"testing"
)

func TestWhere(t *testing.T) {
	for query, want := range map[string]struct {
		cond string
		args []any
	}{
		"":                                {"1 = 1", nil},
		"price=7":                         {"p.cents = $1", []any{int64(7)}},
		"price.ne=7&name=x":               {"name = $1 AND p.cents <> $2", []any{"x", int64(7)}},
		"price.gt=1&price.lte=9":          {"p.cents > $1 AND p.cents <= $2", []any{int64(1), int64(9)}},
		"price.in=1,2,3":                  {"p.cents IN ($1, $2, $3)", []any{int64(1), int64(2), int64(3)}},
		"name.prefix=t%C3%A9":             {"substr(name, 1, $1) = $2", []any{int64(2), "té"}},
		"name='; DROP TABLE products; --": {"name = $1", []any{"'; DROP TABLE products; --"}},
	} {
		q, err := parse(t, strings.NewReplacer(" ", "%20", ";", "%3B").Replace(query))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		cond, args := q.Where()
		if cond != want.cond || !reflect.DeepEqual(args, want.args) {
			t.Errorf("%s:\n got %s %v\nwant %s %v", query, cond, args, want.cond, want.args)
		}
	}
}

func TestWhereCountsOnFromTheCallersArguments(t *testing.T) {
	q, err := parse(t, "price=7")
	if err != nil {
		t.Fatal(err)
	}
	before := make([]any, 2, 10)
	before[0], before[1] = "a", "b"
	cond, args := q.Where(before...)
	if cond != "p.cents = $3" || !reflect.DeepEqual(args, []any{"a", "b", int64(7)}) {
		t.Errorf("%s %v", cond, args)
	}
	if before[:3][2] != nil {
		t.Error("the caller's array was written to")
	}
}

func TestKeysetConditions(t *testing.T) {
	for sort, want := range map[string]struct{ cond, order string }{
		"id":   {"id > $1", " ORDER BY id"},
		"-id":  {"id < $1", " ORDER BY id DESC"},
		"name": {"(name, id) > ($1, $2)", " ORDER BY name, id"},
		"-price,-name": {
			"(p.cents, name, id) < ($1, $2, $3)", " ORDER BY p.cents DESC, name DESC, id DESC",
		},
		"-price,name": {
			"p.cents <= $1 AND (p.cents < $1 OR (p.cents = $1 AND (name > $2 OR (name = $2 AND id > $3))))",
			" ORDER BY p.cents DESC, name, id",
		},
	} {
		q, err := parse(t, "sort="+sort)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range q.order {
			q.after = append(q.after, map[string]any{"id": int64(3), "name": "x", "price": int64(7)}[o.Field])
		}
		cond, args := q.Where()
		if cond != want.cond || q.OrderBy() != want.order || len(args) != len(q.order) {
			t.Errorf("%s:\n got %s%s %v\nwant %s%s", sort, cond, q.OrderBy(), args, want.cond, want.order)
		}
	}
}

func TestLimitAsksForOneMore(t *testing.T) {
	q, err := parse(t, "limit=7")
	if err != nil {
		t.Fatal(err)
	}
	if q.Limit() != " LIMIT 8" {
		t.Errorf("%q", q.Limit())
	}
}

func TestZeroQuery(t *testing.T) {
	var q Query
	cond, args := q.Where("a")
	if cond != "1 = 1" || len(args) != 1 || q.OrderBy() != "" || q.Limit() != " LIMIT 1" {
		t.Errorf("%s %v%s%s", cond, args, q.OrderBy(), q.Limit())
	}
	if p, err := Of(q, []struct{ A int }{{1}}); err != nil || len(p.Items) != 0 {
		t.Errorf("%v %v", p, err)
	}
}
