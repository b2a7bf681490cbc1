package page

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/problem"
)

func parse(t *testing.T, query string) (Query, error) {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(values, products())
}

func TestParse(t *testing.T) {
	const maker = "0190c6b2-7f3a-7d57-9a4e-2f6d1c0b8a11"
	q, err := parse(t, "limit=7&sort=-price,name&name=tea%20pot&price.gte=-5&price.in=1,2&added.lt=2026-01-31T15:04:05%2B01:00"+
		"&maker="+strings.ToUpper(maker)+"&stocked=true&rating.gte=1.5&color.prefix=re")
	if err != nil {
		t.Fatal(err)
	}
	if q.Size() != 7 {
		t.Errorf("size %d", q.Size())
	}
	if want := []Order{{"price", true}, {"name", false}, {"id", false}}; !reflect.DeepEqual(q.Sort(), want) {
		t.Errorf("order %v, want %v", q.Sort(), want)
	}
	want := []Filter{
		{"added", Lt, []any{time.Date(2026, 1, 31, 14, 4, 5, 0, time.UTC)}},
		{"color", Prefix, []any{"re"}},
		{"maker", Eq, []any{maker}},
		{"name", Eq, []any{"tea pot"}},
		{"price", Gte, []any{int64(-5)}},
		{"price", In, []any{int64(1), int64(2)}},
		{"rating", Gte, []any{1.5}},
		{"stocked", Eq, []any{true}},
	}
	if !reflect.DeepEqual(q.Filters(), want) {
		t.Errorf("\n got %v\nwant %v", q.Filters(), want)
	}
}

func TestOrderEndsWithTheKey(t *testing.T) {
	for query, want := range map[string][]Order{
		"":                     {{"name", false}, {"id", false}},
		"sort=":                {{"id", false}},
		"sort=-price":          {{"price", true}, {"id", true}},
		"sort=id":              {{"id", false}},
		"sort=-id,name":        {{"id", true}},
		"sort=name,-id,-price": {{"name", false}, {"id", true}},
	} {
		q, err := parse(t, query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		} else if !reflect.DeepEqual(q.Sort(), want) {
			t.Errorf("%s: %v, want %v", query, q.Sort(), want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for query, want := range map[string]problem.Detail{
		"prize=7":                    {Field: "prize", Reason: `is not known here; did you mean "price"?`},
		"price.gt3=7":                {Field: "price.gt3", Reason: `is not a filter that "price" has; did you mean "price.gt"?`},
		"rating=7":                   {Field: "rating", Reason: `is not a filter that "rating" has; known are rating.gte`},
		"hidden=x":                   {Field: "hidden", Reason: `is not a filter that "hidden" has; it cannot be filtered by`},
		"name.lt=a":                  {Field: "name.lt", Reason: `is not a filter that "name" has; did you mean "name.in"?`},
		"Limit=7":                    {Field: "Limit", Reason: `is not known here; did you mean "limit"?`},
		"limit=0":                    {Field: "limit", Reason: "must be a whole number from 1 to 50"},
		"limit=51":                   {Field: "limit", Reason: "must be a whole number from 1 to 50"},
		"limit=":                     {Field: "limit", Reason: "must be a whole number from 1 to 50"},
		"limit=99999999999999999999": {Field: "limit", Reason: "must be a whole number from 1 to 50"},
		"name.=x":                    {Field: "name.", Reason: `is not known here; did you mean "name"?`},
		"limit=1&limit=2":            {Field: "limit", Reason: "is given 2 times; give it once"},
		"name=a&name=b":              {Field: "name", Reason: "is given 2 times; give it once"},
		"sort=nme":                   {Field: "sort", Reason: `cannot sort by "nme"; did you mean "name"?`},
		"sort=hidden":                {Field: "sort", Reason: `cannot sort by "hidden"; known are id, name, price, rating, stocked, added, maker`},
		"sort=name,-name":            {Field: "sort", Reason: `names "name" twice`},
		"sort=name,":                 {Field: "sort", Reason: `cannot sort by ""; known are id, name, price, rating, stocked, added, maker`},
		"price=1.5":                  {Field: "price", Reason: "must be a whole number of at most 32 bits"},
		"price=2147483648":           {Field: "price", Reason: "must be a whole number of at most 32 bits"},
		"price.in=1,x,y":             {Field: "price.in", Reason: "must be a whole number of at most 32 bits"},
		"id=9223372036854775808":     {Field: "id", Reason: "must be a whole number"},
		"rating.gte=NaN":             {Field: "rating.gte", Reason: "must be a number"},
		"rating.gte=Inf":             {Field: "rating.gte", Reason: "must be a number"},
		"stocked=1":                  {Field: "stocked", Reason: "must be true or false"},
		"added=yesterday":            {Field: "added", Reason: "must be a time such as 2026-01-31T15:04:05Z"},
		"maker=7":                    {Field: "maker", Reason: "must be a UUID such as 0190c6b2-7f3a-7d57-9a4e-2f6d1c0b8a11"},
		"name=a%00":                  {Field: "name", Reason: "must be text of at most 1024 bytes, in UTF-8 and without NUL"},
		"name=%ff":                   {Field: "name", Reason: "must be text of at most 1024 bytes, in UTF-8 and without NUL"},
		"color=blue":                 {Field: "color", Reason: "must be one of red, green"},
		"color.in=red,blue":          {Field: "color.in", Reason: "must be one of red, green"},
		"id.in=" + strings.Repeat("1,", 100) + "1": {Field: "id.in", Reason: "has 101 values; at most 100 are taken"},
		"name=" + strings.Repeat("x", 1025):        {Field: "name", Reason: "must be text of at most 1024 bytes, in UTF-8 and without NUL"},
	} {
		_, err := parse(t, query)
		var e *problem.Error
		if !errors.As(err, &e) || e.Code != problem.InvalidArgument {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if len(e.Details) != 1 || e.Details[0] != want {
			t.Errorf("%s:\n got %+v\nwant %+v", query, e.Details, want)
		}
		if !strings.Contains(e.Message, want.Reason) {
			t.Errorf("%s: the message does not say it: %s", query, e.Message)
		}
	}
}

func TestParseTellsAllFaultsAtOnceAndNotWithoutEnd(t *testing.T) {
	_, err := parse(t, "limit=x&sort=y&price=z&prize=1")
	if e := problem.From(err); len(e.Details) != 4 || e.Message != "4 query parameters are wrong" {
		t.Errorf("%+v", e)
	}
	values := url.Values{}
	for i := range 1000 {
		values.Set(fmt.Sprintf("%s%d", strings.Repeat("long", 100), i), "1")
	}
	_, err = Parse(values, products())
	if e := problem.From(err); len(e.Details) != maxFaults || len(e.Error()) > 10_000 {
		t.Errorf("%d details, %d bytes", len(e.Details), len(e.Error()))
	}
}

func TestParseOfAnUnsoundSpecIsInternal(t *testing.T) {
	if _, err := Parse(nil, Spec{}); problem.CodeOf(err) != problem.Internal {
		t.Errorf("%v", err)
	}
}

func TestSplitList(t *testing.T) {
	for in, want := range map[string][]string{
		"": {""}, "a": {"a"}, "a,b": {"a", "b"}, `a\,b,c`: {"a,b", "c"}, `a\\,b`: {`a\`, "b"}, `a\`: {`a\`}, ",": {"", ""}, `\x`: {"x"},
	} {
		if got := splitList(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"limit=7&sort=-price,name&name=x", "price.in=1,2&price.gte=1", "cursor=AAAA", "added.gt=2026-01-31T15:04:05Z", "a.b.c=d", "name.in=%5C,a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := Parse(values, products())
		if err != nil {
			if problem.CodeOf(err) != problem.InvalidArgument {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		cond, args := q.Where("first")
		text := cond + q.OrderBy() + q.Limit()
		if q.Size() < 1 || q.Size() > 50 || len(q.Sort()) == 0 || q.Sort()[len(q.Sort())-1].Field != "id" {
			t.Fatalf("%q: %d rows by %v", query, q.Size(), q.Sort())
		}
		if args[0] != "first" {
			t.Fatalf("%q: the arguments before are lost: %v", query, args)
		}
		for i := 2; i <= len(args); i++ {
			if !strings.Contains(text, fmt.Sprintf("$%d", i)) {
				t.Fatalf("%q: $%d of %d is not in %s", query, i, len(args), text)
			}
		}
		if letters := strings.Trim(text, sqlLetters); letters != "" {
			t.Fatalf("%q: %q came from the query into %s", query, letters, text)
		}
	})
}

// sqlLetters are all that the SQL of products can consist of; quotes, for one, are not among them.
const sqlLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,()<>=$ "
