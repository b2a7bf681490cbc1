package cache_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/musterdev/muster/cache/cachetest"
)

func TestReport(t *testing.T) {
	c, _ := twoLevels(t, 1, &cachetest.Memory{}, nil)
	reader := sdkmetric.NewManualReader()
	if err := c[0].Report(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")); err != nil {
		t.Fatal(err)
	}
	want(t, c[0], "a", "a#1")
	want(t, c[0], "a", "a#1")
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		sum, ok := m.Data.(metricdata.Sum[int64])
		if !ok {
			t.Fatalf("%s is a %T", m.Name, m.Data)
		}
		for _, p := range sum.DataPoints {
			if name, _ := p.Attributes.Value("muster.cache.name"); name.AsString() != "test" {
				t.Errorf("%s is of the cache %q", m.Name, name.AsString())
			}
			o, _ := p.Attributes.Value("muster.cache.outcome")
			got[strings.Trim(m.Name+" "+o.AsString(), " ")] = p.Value
		}
	}
	lines := []string{}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if got[k] > 0 && k != "muster.cache.size" {
			lines = append(lines, fmt.Sprint(k, " ", got[k]))
		}
	}
	const all1 = "muster.cache.entries 1\nmuster.cache.loads ok 1\nmuster.cache.lookups hit 1\nmuster.cache.lookups miss 1"
	if text := strings.Join(lines, "\n"); text != all1 || got["muster.cache.size"] == 0 || len(got) != 11 {
		t.Errorf("%d series:\n%s", len(got), text)
	}
}
