package latency_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/load/latency"
)

func TestHistogram(t *testing.T) {
	h := latency.New()
	if got := h.Times(); got != (latency.Times{}) {
		t.Errorf("nothing has times: %+v", got)
	}
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	got := h.Times()
	for what, pair := range map[string][2]time.Duration{
		"mean":  {got.Mean, 500500 * time.Microsecond},
		"p50":   {got.P50, 500 * time.Millisecond},
		"p90":   {got.P90, 900 * time.Millisecond},
		"p99":   {got.P99, 990 * time.Millisecond},
		"p99.9": {got.P999, 999 * time.Millisecond},
		"max":   {got.Max, time.Second},
	} {
		if d := pair[0] - pair[1]; d.Abs() > pair[1]/1000+time.Millisecond {
			t.Errorf("%s is %s, want %s", what, pair[0], pair[1])
		}
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back latency.Times
	if err := json.Unmarshal(b, &back); err != nil || back.P99 != got.P99 || back.Count != 1000 {
		t.Errorf("%s became %+v, %v", b, back, err)
	}
}

func TestHistogramIsBounded(t *testing.T) {
	h := latency.New()
	h.Record(-time.Second)
	h.Record(0)
	h.Record(30 * time.Hour)
	if got := h.Times(); got.Count != 3 || got.P50 != time.Microsecond || got.Max < latency.Longest || got.Max > latency.Longest*1001/1000 {
		t.Errorf("%+v", got)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234 * time.Nanosecond:    "1µs",
		1234567 * time.Nanosecond: "1.235ms",
		123456 * time.Microsecond: "123.5ms",
		12345 * time.Millisecond:  "12.3s",
	} {
		if got := latency.Short(d); got != want {
			t.Errorf("%s is written %s, want %s", d, got, want)
		}
	}
}
