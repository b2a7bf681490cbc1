package balance

import (
	"testing"
	"time"
)

func TestZone(t *testing.T) {
	now := time.Unix(1e9, 0)
	list := []*Endpoint{NewEndpoint("a"), NewEndpoint("b"), NewEndpoint("c")}
	list[0].Describe(0, "here")
	list[1].Describe(0, "there")
	list[2].Describe(0, "there")
	s := New(Config{Zone: "here"})
	s.Replace(now, list)
	turn := uint64(0)
	run := func(d time.Duration, here, there time.Duration) (away int) {
		for end := now.Add(d); now.Before(end); now = now.Add(10 * time.Millisecond) {
			turn++
			i := s.All().Pick(now, Call{Turn: turn})
			list[i].Begin()
			took := here
			if i != 0 {
				took = there
				away++
			}
			list[i].End(now, took, OK)
		}
		return away
	}
	if n := run(10*time.Second, 10*time.Millisecond, 12*time.Millisecond); n != 0 {
		t.Errorf("%d calls left a zone that is well", n)
	}
	if n := run(20*time.Second, 40*time.Millisecond, 12*time.Millisecond); n < 300 {
		t.Errorf("%d of 2000 calls left a zone that is four times as slow as it can be", n)
	}
	run(30*time.Second, 10*time.Millisecond, 12*time.Millisecond)
	if n := run(10*time.Second, 10*time.Millisecond, 12*time.Millisecond); n > 10 {
		t.Errorf("%d calls left a zone that is well again", n)
	}
	for range 5 {
		list[0].Begin()
		list[0].End(now, time.Millisecond, Failed)
	}
	if i := s.All().Pick(now, Call{Turn: turn}); i == 0 {
		t.Error("the ejected one at home was chosen before those that are well elsewhere")
	}
}

func TestMaglevIsEven(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 100, 600} {
		list := make([]choice, n)
		for i := range list {
			list[i] = choice{NewEndpoint(string(rune('a' + i))), i}
		}
		seen := make([]int, n)
		for _, i := range newMaglev(list).entries {
			seen[i]++
		}
		for i, k := range seen {
			if want := float64(tableSize) / float64(n); float64(k) < want*0.99-1 || float64(k) > want*1.01+1 {
				t.Errorf("of %d endpoints number %d has %d places, want %.0f", n, i, k, want)
			}
		}
	}
}

func TestDecayIsNearExp(t *testing.T) {
	for x, want := range map[float64]float64{-1: 1, 0: 1, 0.01: 0.99005, 0.5: 0.60653, 1: 0.36788, 2: 0.13534, 5: 0.0067} {
		if got := decay(x); got < want-0.01 || got > want+0.02 {
			t.Errorf("decay(%g) = %g, want about %g", x, got, want)
		}
	}
}
