package page

import (
	"net/url"
	"testing"
)

func TestPagesThatCannotGoOn(t *testing.T) {
	type row struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	two, err := Parse(url.Values{"limit": {"1"}}, products())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		query Query
		rows  []row
	}{
		"zero query":         {Query{}, []row{{1, "a"}, {2, "b"}}},
		"zero query, no row": {Query{}, nil},
		"no rows":            {two, nil},
	} {
		p, err := Of(tt.query, tt.rows)
		if err != nil || p.Items == nil || len(p.Items) != 0 || p.Next != "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := Of(two, []*row{nil, nil}); err == nil {
		t.Error("rows that are nil: no error")
	}
	if _, err := OfFunc(two, make([]row, 2), nil); err == nil {
		t.Error("no function: no error")
	}
}
