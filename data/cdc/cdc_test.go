package cdc

import (
	"context"
	"database/sql/driver"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func TestDifferences(t *testing.T) {
	id, name := Column{"id", "integer", true}, Column{"name", "text", false}
	for want, now := range map[string][]Column{
		"":                                          {id, name},
		"the columns are in another order":          {name, id},
		"more (date) is new":                        {id, name, {"more", "date", false}},
		"name is gone":                              {id},
		"name is integer and was text":              {id, {"name", "integer", false}},
		"name is part of the key":                   {id, {"name", "text", true}},
		"id is no part of the key any more":         {{"id", "integer", false}, name},
		"x (text) is new, id is gone, name is gone": {{"x", "text", false}},
	} {
		dbtest.Want(t, "differences", differences([]Column{id, name}, now), want)
	}
}

func TestValuesOfAChange(t *testing.T) {
	table := &Table{"public.t", []Column{{"a", "integer", true}, {"b", "text", false}, {"c", "integer", true}}}
	c := Change{Op: Update, Table: table, New: Row{{Text: "1"}, {Unchanged: true}, {Text: "3"}}}
	if v, ok := c.Get("a"); v.Text != "1" || !ok {
		t.Error(v, ok)
	}
	for _, column := range []string{"b", "nothing"} {
		if _, ok := c.Get(column); ok {
			t.Errorf("%s is told", column)
		}
	}
	dbtest.Want(t, "key", strings.Join(c.Key(), " "), "1 3")
	c.Old = Row{{Text: "7"}, {Null: true}, {Text: "8"}}
	dbtest.Want(t, "the key before", strings.Join(c.Key(), " "), "7 8")
	c.Op = Delete
	if v, _ := c.Get("a"); v.Text != "7" {
		t.Error(v)
	}
	if _, ok := (Change{}).Get("a"); ok || Op(-1).String() != "unknown" || Reshape.String() != "reshape" {
		t.Error("what there is not")
	}
}

type nothing struct{ Source }

func TestWhatCannotRun(t *testing.T) {
	db := dbtest.Fake(func(string) ([]driver.Value, error) { return nil, nil }).Pool(t)
	handle := func(context.Context, tx.Tx, []Change) error { return nil }
	for says, f := range map[string]*Follower{
		"the database is nil": {Source: nothing{}, Name: "a", Handle: handle}, "no Source": {DB: db, Name: "a", Handle: handle},
		"no Handle": {DB: db, Source: nothing{}, Name: "a"}, `the name "A"`: {DB: db, Source: nothing{}, Name: "A", Handle: handle},
	} {
		if err := f.Run(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	dbtest.Want(t, "nobody", problem.CodeOf(Recopy(t.Context(), db, "a", "", "")), problem.InvalidArgument)
}
