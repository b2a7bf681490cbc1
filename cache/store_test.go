package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// After any operations the list and the map hold the same, within the bounds.
func TestStoreKeepsItsBounds(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := &store[int]{entries: map[string]*entry[int]{}, most: 1 + random.IntN(20), mostBytes: int64(random.IntN(2) * 100)}
		for step := range 2000 {
			key := fmt.Sprint(random.IntN(40))
			switch random.IntN(5) {
			case 0:
				s.remove(s.entries[key])
			case 1, 2:
				s.get(key)
			default:
				size := int64(random.IntN(30))
				if random.IntN(50) == 0 {
					size = 1000
				}
				s.put(&entry[int]{key: key, size: size})
				if kept := s.entries[key]; s.mostBytes > 0 && (size <= s.mostBytes) != (kept != nil) {
					t.Fatalf("seed %d, step %d: an entry of %d bytes was kept: %v", seed, step, size, kept != nil)
				}
			}
			check(t, s)
		}
	}
}

func check(t *testing.T, s *store[int]) {
	t.Helper()
	n, bytes := 0, int64(0)
	handIn := s.hand == nil
	var last *entry[int]
	for e := s.oldest; e != nil; last, e = e, e.newer {
		n++
		bytes += e.size
		handIn = handIn || e == s.hand
		if e.older != last || s.entries[e.key] != e {
			t.Fatalf("the list is broken at %s", e.key)
		}
	}
	if last != s.newest || n != len(s.entries) || bytes != s.bytes || n > s.most || s.mostBytes > 0 && bytes > s.mostBytes || !handIn {
		t.Fatalf("%d entries of %d bytes are listed, %d of %d are held; at most %d of %d, the hand stands among them: %v", n, bytes, len(s.entries), s.bytes, s.most, s.mostBytes, handIn)
	}
}

// A scan over many keys that nobody asks for again leaves those that are asked for.
func TestAScanDoesNotEmptyIt(t *testing.T) {
	s := &store[int]{entries: map[string]*entry[int]{}, most: 100}
	random := rand.New(rand.NewPCG(1, 1))
	hits, asked := 0, 0
	for i := range 100_000 {
		if i%2 == 0 { // 50 keys that are in use
			key := fmt.Sprint("hot", random.IntN(50))
			asked++
			if s.get(key) != nil {
				hits++
			} else {
				s.put(&entry[int]{key: key})
			}
			continue
		}
		s.put(&entry[int]{key: fmt.Sprint("scanned", i)})
	}
	if share := float64(hits) / float64(asked); share < 0.95 {
		t.Errorf("of the keys in use %.3f were held", share)
	}
}

func TestBytesBoundACache(t *testing.T) {
	c := made(t, Config[string]{Load: (&source{}).load, Bytes: 5000})
	for i := range 100 {
		want(t, c, fmt.Sprintf("k%02d", i), fmt.Sprintf("k%02d#%d", i, i+1))
	}
	if s := c.Stats(); s.Bytes > 5000 || s.Entries < 20 || s.Evicted != uint64(100-s.Entries) {
		t.Errorf("%+v", s)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("Ltoken"))
	f.Add(frame{kind: kindValue, until: time.UnixMilli(1), cost: 2, data: []byte("x")}.bytes())
	f.Add([]byte("V"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, ok := parseFrame(b)
		if !ok || parsed.kind == kindLease {
			return
		}
		again, ok := parseFrame(parsed.bytes())
		if !ok || again.kind != parsed.kind || !again.until.Equal(parsed.until) || again.cost != parsed.cost || string(again.data) != string(parsed.data) {
			t.Errorf("%+v became %+v", parsed, again)
		}
	})
}
