package pace

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func all(stages []Stage, kind Kind, seed uint64) (times []time.Duration) {
	a := New(stages, kind, rand.New(rand.NewPCG(seed, 1)))
	for {
		at, more := a.Next()
		if !more {
			return times
		}
		times = append(times, at)
	}
}

func TestConstantArrivals(t *testing.T) {
	times := all([]Stage{{Rate: 10, For: time.Second}, {Rate: 0, For: time.Second}, {Rate: 2, For: 2 * time.Second}}, Constant, 0)
	if len(times) != 14 {
		t.Fatalf("%d arrivals: %v", len(times), times)
	}
	for i, at := range times {
		want := time.Duration(i) * 100 * time.Millisecond
		if i >= 10 {
			want = 2*time.Second + time.Duration(i-10)*500*time.Millisecond
		}
		if d := at - want; d.Abs() > time.Microsecond {
			t.Errorf("arrival %d at %s, want %s", i, at, want)
		}
	}
}

func TestRampsHaveTheirArea(t *testing.T) {
	for _, tc := range []struct {
		from, to Rate
		n        int // in ten seconds
		half     int // in the first five
	}{
		{0, 100, 500, 125},
		{100, 0, 500, 375},
		{50, 150, 1000, 375},
		{100, 100, 1000, 500},
	} {
		times := all([]Stage{{Rate: tc.from, To: new(tc.to), For: 10 * time.Second}}, Constant, 0)
		half, last := 0, time.Duration(-1)
		for _, at := range times {
			if at < last || at > 10*time.Second {
				t.Fatalf("%v to %v: %s follows %s", tc.from, tc.to, at, last)
			}
			if last = at; at < 5*time.Second {
				half++
			}
		}
		if math.Abs(float64(len(times)-tc.n)) > 1 || math.Abs(float64(half-tc.half)) > 1 {
			t.Errorf("%v to %v: %d arrivals, %d in the first half; want %d and %d", tc.from, tc.to, len(times), half, tc.n, tc.half)
		}
	}
}

// Gaps of independent arrivals have the mean and the deviation of an exponential one.
func TestPoissonArrivals(t *testing.T) {
	for seed := range uint64(5) {
		times := all([]Stage{{Rate: 1000, For: 20 * time.Second}}, Poisson, seed)
		sum, squares := 0.0, 0.0
		for i := 1; i < len(times); i++ {
			gap := (times[i] - times[i-1]).Seconds()
			sum += gap
			squares += gap * gap
		}
		n := float64(len(times) - 1)
		mean := sum / n
		deviation := math.Sqrt(squares/n - mean*mean)
		if math.Abs(n-20_000) > 4*math.Sqrt(20_000) || math.Abs(mean*1000-1) > 0.04 || math.Abs(deviation/mean-1) > 0.04 {
			t.Errorf("seed %d: %v arrivals, gaps of %v s, deviation %v", seed, n, mean, deviation)
		}
	}
	one, again, other := all([]Stage{{Rate: 50, For: time.Second}}, Poisson, 1), all([]Stage{{Rate: 50, For: time.Second}}, Poisson, 1), all([]Stage{{Rate: 50, For: time.Second}}, Poisson, 2)
	if one[0] != again[0] || len(one) != len(again) || one[0] == other[0] {
		t.Error("a seed does not repeat its arrivals, or another does")
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]Rate{"50/s": 50, "50": 50, "1.5": 1.5, "300/m": 5, "7200/h": 2, "1.5 / s": 1.5, "0/s": 0} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q: %v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "x", "/", "50/", "NaN", "Inf", "1000000", "x/s", "-1/s", "1/d", "NaN/s", "Inf/s", "1000000/s"} {
		if err := new(Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a rate", text)
		}
	}
	if s := Rate(50).String(); s != "50/s" {
		t.Error(s)
	}
}
