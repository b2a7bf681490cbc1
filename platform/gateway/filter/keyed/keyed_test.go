package keyed_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/keyed"
)

func by(t testing.TB, text string) keyed.By {
	t.Helper()
	var b keyed.By
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

type claims map[string]string

func (c claims) Claim(name string) string { return c[name] }

func request(change func(r *filter.Request)) *filter.Request {
	r := &filter.Request{
		Client: netip.MustParseAddr("192.0.2.1"), Method: "GET", Host: "a.example", Route: "/v1",
		Fields: &filter.Header{{Name: "X-Tenant", Value: "t1"}}, Subject: filter.Subject{ID: "u1", By: "jwt", Issuer: "i1", Claims: claims{"org": "o1"}},
	}
	if change != nil {
		change(r)
	}
	return r
}

func TestBy(t *testing.T) {
	addr := func(text string) func(*filter.Request) {
		return func(r *filter.Request) { r.Client = netip.MustParseAddr(text) }
	}
	id := func(s filter.Subject) func(*filter.Request) { return func(r *filter.Request) { r.Subject = s } }
	tenant := func(v string) func(*filter.Request) {
		return func(r *filter.Request) { r.Fields = &filter.Header{{Name: "x-tenant", Value: v}} }
	}
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		by   string
		a, b func(*filter.Request)
		same bool
	}{
		{`"client"`, nil, nil, true},
		{`"client"`, nil, addr("192.0.2.2"), false},
		{`"client"`, nil, addr("::ffff:192.0.2.1"), true},
		{`"client"`, addr("2001:db8:1:2::1"), addr("2001:db8:1:2:ffff::9"), true},
		{`"client"`, addr("2001:db8:1:2::1"), addr("2001:db8:1:3::1"), false},
		{`"subject"`, nil, addr("192.0.2.2"), true},
		{`"subject"`, nil, id(filter.Subject{ID: "u2", Issuer: "i1"}), false},
		{`"subject"`, nil, id(filter.Subject{ID: "u1", Issuer: "i2"}), false},
		{`"subject"`, id(filter.Subject{}), addr("192.0.2.2"), false},
		{`"subject"`, id(filter.Subject{}), nil, false},
		{`"subject"`, id(filter.Subject{ID: "4\xc0\x00\x02\x01"}), id(filter.Subject{}), false},
		{`"key"`, nil, id(filter.Subject{}), true}, // neither came by a key: both count by their address
		{`"key"`, id(filter.Subject{ID: "k", By: "key"}), nil, false},
		{`"header X-Tenant"`, nil, tenant("t1"), true},
		{`"header X-Tenant"`, nil, tenant("t2"), false},
		{`"header X-Tenant"`, tenant(long + "1"), tenant(long + "1"), true},
		{`"header X-Tenant"`, tenant(long + "1"), tenant(long + "2"), false},
		{`"claim org"`, nil, id(filter.Subject{ID: "other", Claims: claims{"org": "o1"}}), true},
		{`"claim org"`, nil, id(filter.Subject{Claims: claims{"org": "o2"}}), false},
		{`"all"`, nil, addr("192.0.2.2"), true},
		{`["subject","route"]`, nil, func(r *filter.Request) { r.Route = "/v2" }, false},
		{`["subject","route"]`, nil, addr("192.0.2.2"), true},
		{`["route","host"]`, func(r *filter.Request) { r.Route, r.Host = "ab", "c" }, func(r *filter.Request) { r.Route, r.Host = "a", "bc" }, false},
		{`"method"`, nil, func(r *filter.Request) { r.Method = "PUT" }, false},
	} {
		b := by(t, c.by)
		one, other := b.Append(nil, request(c.a)), b.Append([]byte("before"), request(c.b))[len("before"):]
		if (string(one) == string(other)) != c.same {
			t.Errorf("%s: %q and %q, want same: %v", c.by, one, other, c.same)
		}
		if len(one) > keyed.Size {
			t.Errorf("%s: a key of %d bytes", c.by, len(one))
		}
	}
	if (keyed.By{}).String() != "client" || by(t, `["claim org","route"]`).String() != "claim org and route" {
		t.Error("the texts are wrong")
	}
}

func TestByRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`"clint"`: `did you mean "client"`, `"header"`: "needs the name", `"header X Y"`: "needs the name", `"claim "`: "needs the name",
		`"client x"`: "nothing follows", `[]`: "one to 4", `["client","client"]`: "twice", `7`: "must be a text",
		`["all","route","host","method","client"]`: "one to 4",
	} {
		var b keyed.By
		if err := json.Unmarshal([]byte(text), &b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzBy(f *testing.F) {
	f.Add([]byte(`["subject","header X-Tenant"]`))
	f.Add([]byte(`"client"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var b, again keyed.By
		if json.Unmarshal(text, &b) != nil {
			return
		}
		written, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &again); err != nil || again.String() != b.String() {
			t.Errorf("%s is written as %s: %v", text, written, err)
		}
	})
}

// count is forgotten a second after it was used.
type count struct {
	n    int
	last time.Time
}

func (c *count) Forgettable(now time.Time) bool { return now.Sub(c.last) >= time.Second }

func add(t *keyed.Table[count, *count], key string, now time.Time) (n int, own bool) {
	s, c, own := t.Lock([]byte(key), now)
	defer s.Unlock()
	c.n++
	c.last = now
	return c.n, own
}

func TestTableIsBounded(t *testing.T) {
	const keys = 6400
	table := keyed.NewTable[count](keys)
	now := time.Unix(1_700_000_000, 0)
	if n, own := add(table, "first", now); n != 1 || !own {
		t.Fatalf("%d, %v", n, own)
	}
	crowded := 0
	for i := range 10 * keys {
		if _, own := add(table, fmt.Sprintf("key-%d", i), now); !own {
			crowded++
		}
	}
	if table.Len() > keys || table.Len() < keys*9/10 || crowded < 8*keys {
		t.Errorf("%d keys are kept and %d share; at most %d may be", table.Len(), crowded, keys)
	}
	if n, own := add(table, "first", now); n != 2 || !own {
		t.Errorf("one that still counts was forgotten: %d, %v", n, own)
	}
	later := now.Add(time.Second)
	for i := range keys / 2 {
		if n, own := add(table, fmt.Sprintf("new-%d", i), later); n != 1 || !own {
			if !own {
				continue // its part is full of new ones
			}
			t.Fatalf("a new key counts %d, %v", n, own)
		}
	}
	if table.Len() > keys {
		t.Errorf("%d keys are kept", table.Len())
	}
	seen := 0
	for range table.Each() {
		seen++
	}
	if seen != table.Len() {
		t.Errorf("%d are seen of %d", seen, table.Len())
	}
	if _, _, ok := table.Find("nobody"); ok {
		t.Error("a key that is not there is found")
	}
	s, c, ok := table.Find("new-0")
	if !ok || c.n != 1 {
		t.Fatalf("%v, %v", ok, c)
	}
	s.Unlock()
}

func TestTableInUseByMany(t *testing.T) {
	table := keyed.NewTable[count](1000)
	var all sync.WaitGroup
	now := time.Now()
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				add(table, fmt.Sprint(i%50), now)
			}
		})
	}
	all.Wait()
	sum := 0
	for _, c := range table.Each() {
		sum += c.n
	}
	if sum != 8000 {
		t.Errorf("%d were counted of 8000", sum)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	table := keyed.NewTable[count](1000)
	now := time.Now()
	b, r := by(t, `["subject","route","claim org"]`), request(nil)
	if n := testing.AllocsPerRun(1000, func() {
		var buf [keyed.Size]byte
		s, c, _ := table.Lock(b.Append(buf[:0], r), now)
		c.n++
		s.Unlock()
	}); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
}
