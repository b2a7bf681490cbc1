// Package latency keeps durations and tells their quantiles.
package latency

import (
	"encoding/json"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Longest is the longest time a histogram holds.
const Longest = time.Hour

// Histogram holds times from a microsecond to [Longest], exact to three digits (HDR, G.
// Tene), in 190 KiB. It is for one goroutine at a time; New makes one.
type Histogram struct{ h *hdrhistogram.Histogram }

// New returns an empty histogram.
func New() *Histogram {
	return &Histogram{hdrhistogram.New(1, int64(Longest/time.Microsecond), 3)}
}

// Record adds a time, rounded up to a microsecond, so that nothing takes no time, and cut
// to [Longest].
func (h *Histogram) Record(d time.Duration) {
	us := (d + time.Microsecond - 1) / time.Microsecond
	_ = h.h.RecordValue(int64(min(max(us, 1), Longest/time.Microsecond))) // it is within the bounds
}

// Reset empties the histogram.
func (h *Histogram) Reset() { h.h.Reset() }

// Times returns the quantiles of what was recorded; zeros of nothing.
func (h *Histogram) Times() Times {
	at := func(q float64) time.Duration { return time.Duration(h.h.ValueAtQuantile(q)) * time.Microsecond }
	if h.h.TotalCount() == 0 {
		return Times{}
	}
	return Times{
		Count: h.h.TotalCount(), Mean: time.Duration(h.h.Mean() * float64(time.Microsecond)),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(h.h.Max()) * time.Microsecond,
	}
}

// Times are the quantiles of a duration. Its JSON is in milliseconds.
type Times struct {
	Count                          int64
	Mean, P50, P90, P99, P999, Max time.Duration
}

// MarshalJSON writes milliseconds.
func (t Times) MarshalJSON() ([]byte, error) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return json.Marshal(timesJSON{t.Count, ms(t.Mean), ms(t.P50), ms(t.P90), ms(t.P99), ms(t.P999), ms(t.Max)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Times) UnmarshalJSON(b []byte) error {
	var in timesJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	d := func(ms float64) time.Duration { return time.Duration(ms*1000+0.5) * time.Microsecond }
	*t = Times{in.Count, d(in.Mean), d(in.P50), d(in.P90), d(in.P99), d(in.P999), d(in.Max)}
	return nil
}

type timesJSON struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
}

// Short writes a duration with about three digits.
func Short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
