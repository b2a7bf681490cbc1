package page

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/problem"
)

const everything = "name,price,rating,stocked,added,maker"

// anyRow returns values for every term of everything and the key.
func anyRow(r *rand.Rand) []any {
	uuid := []byte("0190c6b2-7f3a-7d57-9a4e-2f6d1c0b8a11")
	uuid[0] = "0123456789abcdef"[r.IntN(16)]
	return []any{
		strings.Repeat("é,\x01", r.IntN(4)), int64(int32(r.Uint32())), r.NormFloat64(), r.IntN(2) == 0,
		time.Unix(minUnix+r.Int64N(maxUnix-minUnix), r.Int64N(1e9)).UTC(), string(uuid), r.Int64() - r.Int64(),
	}
}

func TestCursorKeepsEveryValue(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	q, err := parse(t, "sort="+everything)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		want := anyRow(r)
		cursor, err := q.makeCursor(want)
		if err != nil {
			t.Fatal(err)
		}
		if cursor != url.QueryEscape(cursor) {
			t.Fatalf("a cursor needs escaping: %s", cursor)
		}
		got, err := q.openCursor(cursor)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d:\n got %v, %v\nwant %v", seed, got, err, want)
		}
	}
}

func TestCursorGoesWithItsQueryOnly(t *testing.T) {
	const query = "sort=-price&name=x&price.in=1,2"
	q, err := parse(t, query)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := q.makeCursor([]any{int64(7), int64(3)})
	if err != nil {
		t.Fatal(err)
	}
	for other, fits := range map[string]bool{
		query:                                   true,
		query + "&limit=3":                      true,
		"price.in=1,2&name=x&sort=-price":       true,
		"sort=-price,-id&name=x&price.in=1,2":   true, // the same order
		"sort=price&name=x&price.in=1,2":        false,
		"sort=-price,id&name=x&price.in=1,2":    false,
		"sort=-price&name=y&price.in=1,2":       false,
		"sort=-price&name.ne=x&price.in=1,2":    false,
		"sort=-price&name=x&price.in=1":         false,
		"sort=-price&name=x":                    false,
		"sort=-price&name=x&price.in=1,2&id=12": false,
	} {
		_, err := parse(t, other+"&cursor="+cursor)
		if (err == nil) != fits {
			t.Errorf("%s: %v", other, err)
		}
		if err != nil && problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%s: %v", other, err)
		}
	}
}

func TestTamperedCursorIsRefused(t *testing.T) {
	q, err := parse(t, "")
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := q.makeCursor([]any{"tea", int64(3)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range cursor {
		for _, c := range "AQz_9!=" {
			if byte(c) == cursor[i] {
				continue
			}
			bad := cursor[:i] + string(c) + cursor[i+1:]
			if _, err := parse(t, "cursor="+url.QueryEscape(bad)); problem.CodeOf(err) != problem.InvalidArgument {
				t.Fatalf("%s for %s: %v", bad, cursor, err)
			}
		}
	}
	for _, bad := range []string{cursor[:len(cursor)-1], cursor + "A", cursor[1:], "A", "%%", strings.Repeat("A", maxCursor+1), " " + cursor} {
		if _, err := parse(t, "cursor="+url.QueryEscape(bad)); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSecretPreventsForgery(t *testing.T) {
	spec := products()
	open, err := Parse(nil, spec)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := open.makeCursor([]any{"tea", int64(3)})
	if err != nil {
		t.Fatal(err)
	}
	spec.Secret = []byte("only the service knows this")
	if _, err := Parse(url.Values{"cursor": {forged}}, spec); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("%v", err)
	}
}

type product struct {
	ID    int64  `json:"id"`
	Name  string `json:"name,omitempty"`
	Price int32  `json:"price"`
}

func TestOf(t *testing.T) {
	q, err := parse(t, "limit=2&sort=-price,name")
	if err != nil {
		t.Fatal(err)
	}
	rows := []product{{1, "a", 9}, {2, "b", 8}, {3, "c", 7}}
	p, err := Of(q, rows)
	if err != nil || len(p.Items) != 2 || p.Next == "" {
		t.Fatalf("%+v %v", p, err)
	}
	next, err := parse(t, "limit=2&sort=-price,name&cursor="+p.Next)
	if err != nil || !reflect.DeepEqual(next.after, []any{int64(8), "b", int64(2)}) {
		t.Errorf("%v %v", next.after, err)
	}
	last, err := Of(q, rows[:2])
	if err != nil || len(last.Items) != 2 || last.Next != "" {
		t.Errorf("%+v %v", last, err)
	}
	byPointer, err := Of(q, []*product{&rows[0], &rows[1], &rows[2]})
	if err != nil || byPointer.Next != p.Next {
		t.Errorf("%+v %v", byPointer, err)
	}
	if q2, err := parse(t, "limit=2&sort=rating"); err != nil {
		t.Error(err)
	} else if _, err := Of(q2, rows[:1]); problem.CodeOf(err) != problem.Internal || !strings.Contains(err.Error(), `"rating"`) {
		t.Errorf("%v", err)
	}
	if _, err := Of(q, []int{1}); problem.CodeOf(err) != problem.Internal {
		t.Errorf("%v", err)
	}
}

func TestAnEmptyPageIsAnEmptyList(t *testing.T) {
	q, err := parse(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Of[product](q, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(p); err != nil || string(text) != `{"items":[]}` {
		t.Errorf("%s %v", text, err)
	}
}

type named string

type texter struct{ s string }

func (x texter) MarshalText() ([]byte, error) { return []byte(x.s), nil }

func TestOfFuncTakesWhatGoHasForAKind(t *testing.T) {
	n, when := int64(7), time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600))
	var none *int64
	for name, tt := range map[string]struct {
		kind Kind
		in   any
		want any // nil: refused
	}{
		"named string": {String, named("x"), "x"}, "pointer": {Int, &n, int64(7)}, "uint": {Int32, uint8(7), int64(7)},
		"float32": {Float, float32(0.5), 0.5}, "bool": {Bool, true, true}, "time": {Time, when, when.UTC()}, "time pointer": {Time, &when, when.UTC()},
		"uuid": {UUID, "ABC", "abc"}, "uuid type": {UUID, texter{"ABC"}, "abc"},
		"nil": {Int, nil, nil}, "nil pointer": {Int, none, nil}, "int for string": {String, 7, nil}, "string for time": {Time, "x", nil},
		"huge uint": {Int, uint64(1 << 63), nil}, "struct for uuid": {UUID, struct{}{}, nil}, "time for int": {Int, when, nil},
	} {
		got, err := tt.kind.of(tt.in)
		if (err != nil) != (tt.want == nil) || !reflect.DeepEqual(got, tt.want) && err == nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestACursorTooLongForAURLIsTheAuthorsFault(t *testing.T) {
	q, err := parse(t, "limit=1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Of(q, []product{{Name: strings.Repeat("x", maxCursor)}, {}})
	if problem.CodeOf(err) != problem.Internal || !strings.Contains(err.Error(), "shorter column") {
		t.Errorf("%v", err)
	}
}

func FuzzCursor(f *testing.F) {
	q, err := Parse(url.Values{"sort": {everything}}, products())
	if err != nil {
		f.Fatal(err)
	}
	good, err := q.makeCursor(anyRow(rand.New(rand.NewPCG(1, 1))))
	if err != nil {
		f.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, raw[:len(raw)-sumBytes])
	f.Add("", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, cursor string, forged []byte) {
		_, _ = q.openCursor(cursor) // must not panic
		// With the sum made right, what opens must be values that go back to the same bytes' meaning.
		values, err := q.openCursor(base64.RawURLEncoding.EncodeToString(append(slices.Clip(forged), q.sum(forged)...)))
		if err != nil {
			return
		}
		again, err := q.makeCursor(values)
		if err != nil {
			return
		}
		if reopened, err := q.openCursor(again); err != nil || !reflect.DeepEqual(reopened, values) {
			t.Fatalf("%v became %v, %v", values, reopened, err)
		}
	})
}
