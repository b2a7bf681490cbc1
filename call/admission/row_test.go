package admission

import (
	"testing"
	"time"
)

// A row is known to be long before a probe is through it, and short when one was quick.
func TestRow(t *testing.T) {
	var r Row
	begin := time.Unix(100, 0)
	for _, step := range []struct {
		does func(time.Time)
		at   int // milliseconds
		want int
	}{
		{nil, 0, 0},
		{r.Sent, 10, 0},
		{nil, 15, 5},
		{nil, 40, 30},
		{r.Back, 50, 40},
		{nil, 500, 40}, // it is what is known
		{r.Sent, 510, 40},
		{nil, 600, 90},
		{r.Back, 610, 100},
		{r.Sent, 700, 100},
		{r.Back, 701, 1},
	} {
		now := begin.Add(time.Duration(step.at) * time.Millisecond)
		if step.does != nil {
			step.does(now)
		}
		if got := r.Wait(now); got != time.Duration(step.want)*time.Millisecond {
			t.Errorf("at %d ms the row is %s long, want %d ms", step.at, got, step.want)
		}
	}
}

// Who is told of a full row lets the more important wait in it for longer, and where even turning
// away is too much, somebody gets in all the same.
func TestPressureBounds(t *testing.T) {
	var p Pressure
	if p.Bound(3) < time.Hour {
		t.Errorf("while all get in one may wait for %s", p.Bound(3))
	}
	for range 2 {
		p.Tick(Seen{Took: PressureTick, Wait: time.Second, Runnable: 500, Done: 100, Arrived: 500})
	}
	if c, h, n, l := p.Bound(0), p.Bound(1), p.Bound(2), p.Bound(3); c <= h || h <= n || n <= l || n < time.Millisecond || n > 20*time.Millisecond {
		t.Errorf("%s, %s, %s, %s", c, h, n, l)
	}
	for range 50 { // whatever is let in, next to nothing is done
		p.Tick(Seen{Took: PressureTick, Wait: time.Second, Runnable: 500, Done: 1, Arrived: 500, Late: 400, Refused: 4000})
		if !p.Open() && p.Rate() < 250 {
			t.Fatalf("%.0f get in", p.Rate())
		}
	}
}
