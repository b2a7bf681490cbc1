package quota_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/call/quota"
)

func epoch() time.Time { return time.Unix(1_700_000_000, 0) }

func rate(t testing.TB, text string) quota.Rate {
	t.Helper()
	var r quota.Rate
	if err := r.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBucket(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		at   time.Duration // since the beginning
		n    int
		wait time.Duration // -1: allowed; 0: never
	}
	for name, c := range map[string]struct {
		rate  string
		steps []step
	}{
		"evenly":           {"10/s burst 1", []step{{0, 1, -1}, {0, 1, 100 * ms}, {99 * ms, 1, ms}, {100 * ms, 1, -1}, {150 * ms, 1, 50 * ms}}},
		"a burst":          {"10/s burst 3", []step{{0, 1, -1}, {0, 2, -1}, {0, 1, 100 * ms}, {100 * ms, 1, -1}, {100 * ms, 1, 100 * ms}}},
		"after a rest":     {"10/s burst 3", []step{{0, 3, -1}, {time.Hour, 3, -1}, {time.Hour, 1, 100 * ms}}},
		"a second's worth": {"5/s", []step{{0, 5, -1}, {0, 1, 200 * ms}}},
		"slower than one":  {"30/m", []step{{0, 1, -1}, {0, 1, 2 * time.Second}, {2 * time.Second, 1, -1}}},
		"too many at once": {"10/s burst 3", []step{{0, 4, 0}, {0, 3, -1}}},
		"all or none":      {"10/s burst 3", []step{{0, 2, -1}, {0, 2, 100 * ms}, {0, 1, -1}}},
		"none asked for":   {"10/s burst 1", []step{{0, 0, -1}, {0, 1, -1}, {0, 0, -1}}},
		"no limit":         {"none", []step{{0, 1_000_000, -1}, {0, 1_000_000, -1}}},
		"time goes back":   {"10/s burst 1", []step{{time.Second, 1, -1}, {0, 1, 100 * ms}, {100 * ms, 1, 100 * ms}, {1100 * ms, 1, -1}}},
	} {
		t.Run(name, func(t *testing.T) {
			var b quota.Bucket
			for i, s := range c.steps {
				ok, wait := b.Allow(epoch().Add(s.at), rate(t, c.rate), s.n)
				if ok != (s.wait < 0) || !ok && wait != s.wait {
					t.Fatalf("step %d: %v, wait %s; want wait %s", i, ok, wait, s.wait)
				}
			}
		})
	}
}

// However calls come, and however many at once, no time has more than its rate and a
// burst; and who waits as long as it is told gets in.
func TestBucketNeverLetsMoreThrough(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := quota.Rate{Count: 1 + random.IntN(50), Per: []time.Duration{time.Second, time.Minute, 7 * time.Second}[random.IntN(3)], Burst: random.IntN(20)}
		var b quota.Bucket
		type let struct {
			at time.Duration
			n  int
		}
		var through []let
		now := time.Duration(0)
		for range 400 {
			now += time.Duration(random.Int64N(int64(2 * r.Per / time.Duration(r.Count))))
			n := 1 + random.IntN(min(3, r.AtOnce()))
			ok, wait := b.Allow(epoch().Add(now), r, n)
			if !ok && random.IntN(4) == 0 {
				now += wait
				if ok, _ = b.Allow(epoch().Add(now), r, n); !ok {
					t.Fatalf("seed %d, %s: refused after the wait of %s", seed, r, wait)
				}
			}
			if ok {
				through = append(through, let{now, n})
			}
		}
		for i := range through {
			sum := 0
			for _, l := range through[i:] {
				sum += l.n
				took := l.at - through[i].at
				if most := float64(r.AtOnce()) + took.Seconds()/r.Per.Seconds()*float64(r.Count); float64(sum) > most+1e-6 {
					t.Fatalf("seed %d, %s: %d within %s, at most %.3f", seed, r, sum, took, most)
				}
			}
		}
	}
}

// A rate that is lowered counts for what was asked before it too, but for no longer than
// its own burst takes.
func TestBucketWithAnotherRate(t *testing.T) {
	var b quota.Bucket
	if ok, _ := b.Allow(epoch(), rate(t, "1/h burst 10"), 10); !ok {
		t.Fatal("a burst was refused")
	}
	if ok, wait := b.Allow(epoch(), rate(t, "10/s burst 2"), 1); ok || wait != 100*time.Millisecond {
		t.Errorf("allowed: %v, wait %s", ok, wait)
	}
}

func TestBucketLeft(t *testing.T) {
	var b quota.Bucket
	r := rate(t, "10/s burst 5")
	left := func(after time.Duration, want int, full time.Duration) {
		t.Helper()
		if n, f := b.Left(epoch().Add(after), r); n != want || f != full {
			t.Errorf("%d left, full in %s; want %d and %s", n, f, want, full)
		}
	}
	left(0, 5, 0)
	_, _ = b.Allow(epoch(), r, 3)
	left(0, 2, 300*time.Millisecond)
	left(50*time.Millisecond, 2, 250*time.Millisecond)
	left(100*time.Millisecond, 3, 200*time.Millisecond)
	if b.Idle(epoch().Add(299*time.Millisecond)) || !b.Idle(epoch().Add(300*time.Millisecond)) {
		t.Error("it is idle at another time than when it is full")
	}
}

func TestRateText(t *testing.T) {
	for text, want := range map[string]quota.Rate{
		"500/s":          {Count: 500, Per: time.Second},
		"30/m burst 5":   {Count: 30, Per: time.Minute, Burst: 5},
		"1/h":            {Count: 1, Per: time.Hour},
		"100/10s":        {Count: 100, Per: 10 * time.Second},
		"none":           {},
		"1000000/s":      {Count: 1_000_000, Per: time.Second},
		"2/s burst 1000": {Count: 2, Per: time.Second, Burst: 1000},
		"30/2m":          {Count: 30, Per: 2 * time.Minute},
		"30/1h30m":       {Count: 30, Per: 90 * time.Minute},
		"30/2h":          {Count: 30, Per: 2 * time.Hour},
		"30/1h0m10s":     {Count: 30, Per: time.Hour + 10*time.Second},
		"30/10m10s":      {Count: 30, Per: 610 * time.Second},
	} {
		if got := rate(t, text); got != want || got.String() != text {
			t.Errorf("%q is read as %+v, written %q", text, got, got)
		}
	}
	for _, text := range []string{
		"", "5", "/s", "5/", "5/d", "0/s", "-1/s", "+1/s", "1.5/s", "1000001/s", "5/s burst", "5/s burst 0", "5/s 3", "5/s burst 1000001",
		"5/s burst x", "none burst 3", "5/-1s", "5/0s", "1/9000h", "1/8000h burst 2000", "5 / s",
	} {
		var r quota.Rate
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %+v", text, r)
		}
	}
}

// Shares of a rate let no more through together than the rate, and a server that is
// alone all of it.
func TestShare(t *testing.T) {
	r := rate(t, "10/s burst 5")
	if got := r.Share(1); got != r {
		t.Errorf("alone: %s", got)
	}
	if got := r.Part(1) + ", " + r.Part(4) + ", " + (quota.Rate{}).Part(4); got != "10/s burst 5, 1/4 of 10/s burst 5, none" {
		t.Errorf("named %s", got)
	}
	if got := r.Share(4); got != (quota.Rate{Count: 10, Per: 4 * time.Second, Burst: 2}) {
		t.Errorf("one of four: %s", got)
	}
	if got := rate(t, "1/8000h").Share(64); got.Per != 8760*time.Hour || got.AtOnce() != 1 {
		t.Errorf("one of 64: %s", got)
	}
	if got := rate(t, "none").Share(4); got.Limited() {
		t.Errorf("a part of no limit is %s", got)
	}
}

func FuzzRate(f *testing.F) {
	for _, text := range []string{"500/s", "30/m burst 5", "100/10s", "none", "1/1ns", "9/8759h59m59s burst 1000000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again quota.Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Fatalf("%q is %+v, written %q, read again %+v (%v)", text, r, r, again, err)
		}
		var b quota.Bucket
		if ok, _ := b.Allow(epoch(), r, 1); !ok {
			t.Fatalf("%s lets nothing through", r)
		}
		var next quota.Bucket
		if s := r.Share(7); s.Limited() {
			if ok, _ := next.Allow(epoch(), s, s.AtOnce()); !ok {
				t.Fatalf("%s does not let its burst through", s)
			}
		}
	})
}

// A Bucket is its one time: kept elsewhere and taken up again it decides the same.
func TestBucketIsTakenUpAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := rate(t, "10/s burst 5")
	var b quota.Bucket
	now := epoch()
	for range 1000 {
		now = now.Add(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
		again := quota.Resume(b.Quiet())
		ok, wait := b.Allow(now, r, 1)
		if o, w := again.Allow(now, r, 1); o != ok || w != wait || !again.Quiet().Equal(b.Quiet()) {
			t.Fatalf("%v, %s; taken up again %v, %s", ok, wait, o, w)
		}
	}
}
