package snap_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/musterdev/muster/call/internal/snap"
)

func TestMap(t *testing.T) {
	var m snap.Map[string, int]
	if v, ok := m.Get("a"); ok || v != 0 || m.All() != nil || m.Clear() != nil {
		t.Error("the zero value is not empty")
	}
	made := 0
	one := func() int { made++; return made }
	before := m.All()
	for range 2 {
		if got := m.Made("a", one); got != 1 || made != 1 {
			t.Errorf("got %d, made %d times", got, made)
		}
	}
	seen := m.All()
	if m.Made("b", one) != 2 || len(before) != 0 || len(seen) != 1 || len(m.All()) != 2 {
		t.Errorf("what was read has changed: %v, %v, now %v", before, seen, m.All())
	}
	if was := m.Clear(); len(was) != 2 || len(m.All()) != 0 {
		t.Errorf("cleared %v, left %v", was, m.All())
	}
	if m.Made("a", one) != 3 {
		t.Error("after it was cleared a is not made anew")
	}
}

// Whoever asks at the same time gets the same one, and reading costs no allocation.
func TestMapAtOnce(t *testing.T) {
	var m snap.Map[string, *int]
	var all sync.WaitGroup
	got := make([][10]*int, 8)
	for i := range got {
		all.Go(func() {
			for k := range got[i] {
				got[i][k] = m.Made(strconv.Itoa(k), func() *int { return new(int) })
			}
		})
	}
	all.Wait()
	for i := range got {
		if got[i] != got[0] {
			t.Fatalf("%d has others than 0", i)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Get("3") }); n != 0 {
		t.Errorf("reading allocates %v", n)
	}
}
