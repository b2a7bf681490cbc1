package pace_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/gateway/pace"
)

func TestWithin(t *testing.T) {
	const stall = time.Minute
	for name, test := range map[string]struct {
		least pace.Least
		here  int
		waits []time.Duration // each of which brought `bytes`
		bytes int
		later int64
		want  time.Duration
	}{
		"at its begin":               {want: 5 * time.Second},
		"much was here":              {here: 2400, want: 10 * time.Second},
		"little was here":            {here: 240, want: 5 * time.Second},
		"more than a wait may be":    {here: 1 << 20, want: stall},
		"half of the time is over":   {waits: []time.Duration{2 * time.Second}, bytes: 1, want: 3 * time.Second},
		"too slow":                   {waits: []time.Duration{4 * time.Second, 2 * time.Second}, bytes: 1, want: time.Millisecond},
		"quick enough":               {waits: []time.Duration{10 * time.Second}, bytes: 4800, want: 10 * time.Second},
		"slow after it was quick":    {here: 24_000, waits: []time.Duration{50 * time.Second, 49 * time.Second}, bytes: 1, want: 1008333333},
		"no rate":                    {least: pace.Least{Rate: -1}, waits: []time.Duration{time.Hour}, want: stall},
		"a rate of its own":          {least: pace.Least{Rate: 10, From: time.Second}, here: 40, want: 4 * time.Second},
		"another rate later":         {here: 2400, later: 1200, want: 5 * time.Second},
		"none later":                 {waits: []time.Duration{time.Hour}, later: -1, want: stall},
		"a clock that goes back":     {waits: []time.Duration{-time.Hour}, want: 5 * time.Second},
		"more than a Duration holds": {least: pace.Least{Rate: 1}, here: math.MaxInt, want: stall},
	} {
		t.Run(name, func(t *testing.T) {
			var s pace.Sender
			s.Begin(test.least, test.here)
			s.At(test.later)
			for _, d := range test.waits {
				s.Waited(d, test.bytes)
			}
			if got := s.Within(stall); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// Who is as quick as it has to be is never cut off; who is slower is, and not much later than
// what it sent allows.
func TestRateDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := pace.Least{Rate: rapid.Int64Range(1, 1<<20).Draw(t, "rate"), From: time.Duration(rapid.Int64Range(1, int64(10*time.Second)).Draw(t, "from"))}
		var s pace.Sender
		s.Begin(l, 0)
		var sent int64
		var waited time.Duration
		for range rapid.IntRange(1, 40).Draw(t, "waits") {
			bytes := rapid.IntRange(0, 4096).Draw(t, "bytes")
			d := time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "wait"))
			s.Waited(d, bytes)
			sent, waited = sent+int64(bytes), waited+d
			left := s.Within(time.Hour)
			late := waited >= l.From && float64(sent) < float64(l.Rate)*waited.Seconds()*0.999
			if late && left > time.Millisecond {
				t.Fatalf("%d bytes in %s: it has another %s", sent, waited, left)
			}
			earned := time.Duration(float64(sent) / float64(l.Rate) * float64(time.Second))
			for _, d := range []time.Duration{l.From, earned} { // it has both in full
				if left < min(time.Hour, d-d/1000-waited) {
					t.Fatalf("%d bytes in %s: only %s left of %s", sent, waited, left, d)
				}
			}
		}
	})
}

func ExampleSender() {
	var s pace.Sender
	s.Begin(pace.Least{}, 0)
	s.Waited(2*time.Second, 3)
	fmt.Println(s.Within(time.Minute))
	s.Waited(time.Second, 2400)
	fmt.Println(s.Within(time.Minute).Round(time.Second))
	// Output:
	// 3s
	// 7s
}
