package limit

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/call/quota"
)

func TestALeaseEnds(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l := &lease{have: 2, until: now.Add(time.Second)}
	if !l.use(now) || l.left(now.Add(time.Second-1)) != 1 || l.idle(now) {
		t.Errorf("a lease is not what it is: %+v", l)
	}
	if l.use(now.Add(time.Second)) || l.left(now) != 0 || !l.idle(now) {
		t.Errorf("a lease has no end: %+v", l)
	}
}

// The store's number never lets more be granted than the rate and a burst, counts what was
// used already in full, and tells when to ask again.
func TestDecide(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 5))
		r := quota.Rate{Count: 1 + random.IntN(100), Per: time.Second, Burst: 1 + random.IntN(50)}
		began := time.Unix(1_700_000_000, 0)
		now := began
		var held []byte
		all := 0.0
		for range 500 {
			now = now.Add(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
			debt, want := 0, random.IntN(10)
			if random.IntN(3) == 0 {
				debt = random.IntN(5)
			}
			value, granted, wait, ttl := decide(held, now, r, debt, want)
			held = value
			all += float64(granted + debt)
			most := now.Sub(began).Seconds()*float64(r.Count) + float64(r.Burst)
			if granted > want || granted > 0 && all > most+1e-6 {
				t.Fatalf("seed %d: %d granted of %d, %v in all of %v", seed, granted, want, all, most)
			}
			if all > most {
				all = min(all, most+float64(2*r.Burst+3*r.Count)) // what is owed is forgotten beyond
			}
			if (granted < want) != (wait > 0) || ttl < leaseLife {
				t.Fatalf("seed %d: %d granted of %d, wait %s, kept for %s", seed, granted, want, wait, ttl)
			}
			if _, again, _, _ := decide(held, now.Add(wait), r, 0, 1); wait > lull && again != 1 {
				t.Fatalf("seed %d: after the wait of %s there is nothing", seed, wait)
			}
		}
	}
	if value, granted, _, _ := decide([]byte("nonsense of another length"), time.Now(), quota.Rate{Count: 1, Per: time.Second}, 0, 1); granted != 1 || len(value) != 8 {
		t.Error("what another program left there counts")
	}
}

func TestMembers(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	m := parseMembers([]byte(`{"a":1699999999000,"b":1699999990000,"c":1700000003000}`))
	m.heard("d", now)
	if len(m) != 3 || m["b"] != 0 || m["d"] == 0 {
		t.Errorf("got %v", m)
	}
	if n := len(parseMembers([]byte("nonsense"))) + len(parseMembers([]byte("null"))) + len(parseMembers(nil)); n != 0 {
		t.Errorf("nonsense is %d gateways", n)
	}
	parseMembers([]byte("null")).heard("a", now)
}

func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, held []byte) {
		m := parseMembers(held)
		m.heard("me", time.Now())
		if m["me"] == 0 {
			t.Error("this one is not there")
		}
	})
}
