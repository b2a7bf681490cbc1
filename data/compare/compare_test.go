package compare_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/data/compare"
)

// rows is a side in memory.
type rows map[string]uint64

func (m rows) Rows(_ context.Context, r compare.Range) (list []compare.Row, err error) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key > r.After && (r.Upto == "" || key <= r.Upto) && len(list) < r.Limit {
			list = append(list, compare.Row{Key: key, Sum: m[key]})
		}
	}
	return list, nil
}

// sideFunc is a side that does as it likes.
type sideFunc func(compare.Range) ([]compare.Row, error)

func (f sideFunc) Rows(_ context.Context, r compare.Range) ([]compare.Row, error) { return f(r) }

func settled(context.Context) error { return nil }

// TestCheckFindsAndRepairsAll: whatever was done to a copy, checks that go on where the last ended find each
// row once, in any size of ranges, and after the repair there is nothing left.
func TestCheckFindsAndRepairsAll(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		source, copied := rows{}, rows{}
		for range random.IntN(60) {
			source[fmt.Sprintf("k%02d", random.IntN(80))] = random.Uint64N(3)
		}
		maps.Copy(copied, source)
		want := map[string]compare.Kind{}
		for range random.IntN(20) {
			key := fmt.Sprintf("k%02d", random.IntN(90))
			was, has := source[key]
			switch {
			case !has:
				copied[key], want[key] = 1, compare.Extra
			case random.IntN(2) == 0:
				delete(copied, key)
				want[key] = compare.Missing
			default:
				copied[key], want[key] = was+1, compare.Differs
			}
		}
		got := map[string]compare.Kind{}
		c := &compare.Comparison{
			Source: source, Copy: copied, Settled: settled, Rows: 1 + random.IntN(7), Ranges: 1 + random.IntN(5),
			Repair: func(_ context.Context, list []compare.Difference) error {
				for _, d := range list {
					if _, twice := got[d.Key]; twice {
						t.Errorf("seed %d: %s twice", seed, d.Key)
					}
					got[d.Key] = d.Kind
					if was, has := source[d.Key]; has {
						copied[d.Key] = was
					} else {
						delete(copied, d.Key)
					}
				}
				return nil
			},
		}
		compared := 0
		for range 200 {
			r, err := c.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if compared += r.Compared; r.Whole {
				break
			}
		}
		if !maps.Equal(got, want) || compared != len(source) || !maps.Equal(source, copied) {
			t.Fatalf("seed %d: %v, want %v; compared %d of %d", seed, got, want, compared, len(source))
		}
		c.Ranges = -1
		if r, err := c.Check(t.Context()); err != nil || r.Diverged()+r.InFlight != 0 || !r.Whole {
			t.Fatalf("seed %d: after the repair: %+v, %v", seed, r, err)
		}
	}
}

// TestWhatIsOnItsWayIsNoDivergence: what comes while it is waited for, and what the source changes again, does not count.
func TestWhatIsOnItsWayIsNoDivergence(t *testing.T) {
	source, copied := rows{"a": 2, "b": 2, "c": 2, "d": 2, "e": 1}, rows{"a": 1, "b": 1, "c": 2, "d": 1, "e": 1, "z": 1}
	c := &compare.Comparison{Source: source, Copy: copied, Settled: func(context.Context) error {
		copied["a"] = 2 // it has come
		source["b"] = 3 // it has changed once more
		source["f"] = 1 // it is new, and was not looked for
		delete(copied, "z")
		return nil
	}}
	r, err := c.Check(t.Context())
	if err != nil || r.Diverged() != 1 || r.Differs != 1 || r.Rows[0] != (compare.Difference{Key: "d", Kind: compare.Differs}) || r.InFlight != 3 || r.Compared != 5 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCheckWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &compare.Comparison{Source: rows{"a": 1}, Copy: rows{}}
		r, err := c.Check(t.Context())
		if err != nil || r.Took != 2*time.Second || r.Missing != 1 || r.Repaired != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		checks := 0
		c.Run(ctx, time.Minute, func(compare.Report, error) { checks++ })
		if checks != 58 && checks != 59 {
			t.Error(checks, "checks in an hour")
		}
	})
}

// TestFarMoreAtTheCopy: memory is bounded by what is compared at a time, whatever the copy has.
func TestFarMoreAtTheCopy(t *testing.T) {
	extra := 3*compare.MostRows + 7
	source, copied := rows{"a": 1, "x": 1}, rows{"a": 1, "x": 1}
	all := make([]compare.Row, 0, extra)
	for i := range extra {
		all = append(all, compare.Row{Key: fmt.Sprintf("b%06d", i), Sum: 1})
	}
	both := sideFunc(func(r compare.Range) ([]compare.Row, error) {
		list, _ := copied.Rows(t.Context(), compare.Range{Limit: 10})
		list = append(list[:1:1], append(all, list[1:]...)...)
		from, _ := slices.BinarySearchFunc(list, r.After+"\x00", func(a compare.Row, key string) int { return strings.Compare(a.Key, key) })
		list = list[from:]
		if r.Upto != "" {
			list = slices.DeleteFunc(slices.Clone(list), func(a compare.Row) bool { return a.Key > r.Upto })
		}
		return list[:min(len(list), r.Limit)], nil
	})
	most := 0
	c := &compare.Comparison{Source: source, Copy: both, Settled: settled, Ranges: -1, Rows: 5000, Repair: func(_ context.Context, list []compare.Difference) error {
		most = max(most, len(list))
		return nil
	}}
	r, err := c.Check(t.Context())
	if err != nil || r.Extra != extra || r.Compared != 2 || most > 2*compare.MostRows || len(r.Rows) != 100 {
		t.Errorf("%d extra of %d, %d compared, %d at once, %v", r.Extra, extra, r.Compared, most, err)
	}
}

func TestAnErrorLosesNothing(t *testing.T) {
	source, copied := rows{"a": 1, "b": 1, "c": 1, "d": 1}, rows{}
	fail := errors.New("down")
	down := true
	c := &compare.Comparison{
		Source: source, Settled: settled, Rows: 2, Name: "products",
		Copy: sideFunc(func(r compare.Range) ([]compare.Row, error) {
			if r.After != "" && down {
				return nil, fail
			}
			return copied.Rows(t.Context(), r)
		}),
	}
	r, err := c.Check(t.Context())
	if !errors.Is(err, fail) || !strings.Contains(err.Error(), `products after "b": the copy: down`) || r.Missing != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	down = false
	if r, err := c.Check(t.Context()); err != nil || r.Missing != 2 || r.Rows[0].Key != "c" || !r.Whole {
		t.Errorf("%+v, %v", r, err)
	}
	for want, c := range map[string]*compare.Comparison{
		"a Source, a Copy":      {Source: source},
		"1 to 10000 Rows":       {Source: source, Copy: copied, Rows: 10001},
		"does not catch up: no": {Source: source, Copy: copied, Settled: func(context.Context) error { return errors.New("no") }},
		"the repair: no":        {Source: source, Copy: copied, Settled: settled, Repair: func(context.Context, []compare.Difference) error { return errors.New("no") }},
		`"a" came behind "b"`: {Source: sideFunc(func(compare.Range) ([]compare.Row, error) {
			return []compare.Row{{Key: "b"}, {Key: "a"}}, nil
		}), Copy: copied},
	} {
		if _, err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestSum(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 5000, time.UTC)
	same := func(a, b any) bool {
		t.Helper()
		x, err := compare.Sum("k", a, "z")
		y, e := compare.Sum("k", b, "z")
		if errors.Join(err, e) != nil {
			t.Fatal(err, e)
		}
		return x == y
	}
	for _, c := range [][2]any{{int64(5), 5.0}, {true, int64(1)}, {[]byte("x"), "x"}, {noon, noon.In(time.FixedZone("", 3600)).Add(3 * time.Nanosecond)}, {nil, nil}, {0.5, 0.5}} {
		if !same(c[0], c[1]) {
			t.Errorf("%v and %v differ", c[0], c[1])
		}
	}
	for _, c := range [][2]any{{int64(5), "5"}, {nil, ""}, {int64(0), nil}, {1.5, int64(1)}, {noon, noon.Add(time.Microsecond)}} {
		if same(c[0], c[1]) {
			t.Errorf("%v and %v are equal", c[0], c[1])
		}
	}
	a, _ := compare.Sum("ab", "c")
	b, _ := compare.Sum("a", "bc")
	if a == b {
		t.Error("columns run into one another")
	}
	if _, err := compare.Sum(struct{}{}); err == nil || !strings.Contains(err.Error(), "have the query cast it to text") {
		t.Error(err)
	}
}

func TestOverHTTP(t *testing.T) {
	source := rows{}
	for i := range 1234 {
		source[fmt.Sprintf("k&=%05d", i)] = uint64(i) << 50
	}
	server := httptest.NewServer(compare.Handler(source))
	defer server.Close()
	c := &compare.Comparison{Source: compare.Remote{URL: server.URL}, Copy: source, Settled: settled}
	if r, err := c.Check(t.Context()); err != nil || r.Compared != 1234 || r.Diverged()+r.InFlight != 0 || !r.Whole {
		t.Errorf("%+v, %v", r, err)
	}
	for query, want := range map[string]int{"?limit=0": 400, "?limit=x": 400, "?limit=10001": 400, "?before=a": 400, "?after=a&after=b": 400, "?limit=1": 200} {
		w := httptest.NewRecorder()
		compare.Handler(source).ServeHTTP(w, httptest.NewRequest("GET", "/"+query, nil))
		if w.Code != want {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	for _, wrong := range []string{server.URL + "/?x=1%zz", "http://127.0.0.1:1", "::", server.URL + "/"} {
		_, err := compare.Remote{URL: wrong}.Rows(t.Context(), compare.Range{Limit: 5})
		if (err != nil) != (wrong != server.URL+"/") && !strings.Contains(wrong, "%zz") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
