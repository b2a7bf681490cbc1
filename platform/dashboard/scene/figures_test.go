package scene

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func ms(t time.Time) float64 { return float64(t.UnixMilli()) }

// overview is every service's last window: the card processor grows slow, the catalog
// fails a little, shipping has just one of two instances.
func overview(_ context.Context, window time.Duration) (query.Overview, error) {
	const n = 60
	rng := rand.New(rand.NewPCG(11, 3))
	step := window / n
	o := query.Overview{From: ms(moment.Add(-window)), Until: ms(moment), Step: float64(step.Milliseconds())}
	for _, s := range []struct {
		name             string
		ready, instances int
		engine           bool
		rate, errors     float64
		p50, p99         float64
	}{
		{"broker", 1, 1, true, 31, 0, 0.8, 3.9},
		{"control", 0, 0, true, 4.2, 0, 1.1, 6.2},
		{"edge", 0, 0, true, 42.5, 0.002, 5.1, 61},
		{"card", 1, 1, false, 6.1, 0, 11, 240},
		{"cart", 2, 2, false, 21, 0, 2.6, 14},
		{"catalog", 2, 2, false, 38, 0.011, 1.4, 7.5},
		{"inventory", 1, 1, false, 12.3, 0, 3.2, 17},
		{"notify", 1, 1, false, 6.0, 0, 4.4, 12},
		{"orders", 2, 2, false, 13.4, 0.0008, 21, 88},
		{"payments", 1, 1, false, 6.2, 0.021, 18, 290},
		{"shipping", 1, 2, false, 5.6, 0, 7.1, 26},
	} {
		row := query.ServiceOverview{Name: s.name, Ready: s.ready, Instances: s.instances, Versions: []string{versions[s.name]}, Engine: s.engine}
		if s.name == "orders" {
			row.Versions = []string{"1.4.2", "1.4.1"}
		}
		for i := range n {
			f := 1 + 0.12*math.Sin(float64(i)/7+s.p50) + rng.NormFloat64()*0.05
			late := 1.0
			if (s.name == "card" || s.name == "payments") && i > 44 {
				late = 1 + float64(i-44)*0.5
			}
			known := func(v float64) *float64 {
				if s.name == "shipping" && i < 12 {
					return nil
				}
				v = math.Round(v*1e4) / 1e4
				return &v
			}
			failing := 0.0
			if s.errors > 0 && rng.IntN(3) > 0 {
				failing = s.errors * (0.5 + rng.Float64())
			}
			row.Rate = append(row.Rate, known(s.rate*f))
			row.Errors = append(row.Errors, known(failing))
			row.P50 = append(row.P50, known(s.p50*(1+rng.NormFloat64()*0.05)*math.Sqrt(late)))
			row.P99 = append(row.P99, known(s.p99*(1+rng.NormFloat64()*0.08)*late))
		}
		o.Services = append(o.Services, row)
	}
	for _, c := range []struct {
		ago                   time.Duration
		service, kind, detail string
	}{
		{2*time.Minute + 8*time.Second, "shipping", "left", "shipping-2 stopped answering its probe"},
		{3 * time.Minute, "orders", "version", "1.4.1 → 1.4.2"},
		{3*time.Minute + 20*time.Second, "orders", "joined", "orders-2 with version 1.4.2"},
		{4*time.Minute + 10*time.Second, "shipping", "joined", "shipping-2 with version 1.1.0"},
	} {
		o.Changes = append(o.Changes, query.Change{Time: ms(moment.Add(-c.ago)), Service: c.service, Kind: c.kind, Detail: c.detail})
	}
	return o, nil
}

func health() query.Health {
	h := query.Health{
		Since: ms(moment.Add(-26*time.Hour - 14*time.Minute)),
		Signals: map[string]query.SignalHealth{
			"spans":  {Received: 4_812_399, Stored: 4_812_264, Dropped: map[string]int64{"too large": 3, "no trace id": 120, "clock": 12}},
			"logs":   {Received: 912_044, Stored: 912_044, Dropped: map[string]int64{}},
			"points": {Received: 18_204_551, Stored: 18_164_551, Dropped: map[string]int64{"too many series": 40_000}},
		},
		Services: map[string]query.ServiceHealth{}, Series: 3_482, Notes: []string{"card: 40,000 points were not kept: its metric card_charge_seconds has more than 10,000 series, by the label order_id"},
		Export: &query.ExportHealth{Endpoint: "https://otlp.example.com:4318", Sent: map[string]int64{"spans": 4_811_900, "logs": 911_980, "points": 18_160_000}, Dropped: map[string]int64{"spans": 0}, Waiting: 1_248_004},
	}
	for i, name := range slices.Sorted(mapKeys(versions)) {
		n := int64(90_000 + i*71_311)
		s := query.ServiceHealth{Received: map[string]int64{"spans": n * 4, "logs": n, "points": n * 11}, Dropped: map[string]int64{}}
		if name == "card" {
			s.Dropped["points: too many series"] = 40_000
		}
		if name == "notify" {
			s.Dropped["spans: no trace id"], s.Dropped["spans: too large"] = 120, 3
		}
		h.Services[name] = s
		h.Usage = append(h.Usage, signal.Usage{Service: name, Spans: n * 4, Logs: n, Bytes: n * 4 * 51, Oldest: moment.Add(-26 * time.Hour), RemovedSpans: n / 3 * int64(i%3)})
	}
	return h
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
